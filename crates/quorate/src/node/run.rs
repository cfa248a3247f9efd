//! `quorate run`: runs this host's node in the foreground, as master, node manager, or both.

use std::sync::Arc;

use quorate_keyring::identity::{NodeIdentity, ReloadableIdentity};
use quorate_model::{Refusal, codes};
use quorate_supervisor::{bury_heirs, lead_session};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};
use tracing::{error, info, warn};

use super::{
    FolderArgs, Folders, NodeConfig,
    binary::{self, Guarded, Trial},
    config::refuse_one_address_for_both,
    daemon::forget_asked,
    dial::NodeDialer,
    init::no_node_yet,
    level, manager, master,
    orders::{Anew, Ending, Orders},
    os::{lock_data_folder, refuse_file},
    pid_file::{self, PidFile},
    priority,
    reexec::Image,
    removal,
    report::{Phase, Reporter, keep_watchdog_quiet},
};

/// Run this host's node in the foreground
///
/// For systemd, containers and terminals. A master needs the root key in QUORATE_ROOT_KEY.
/// SIGTERM or Ctrl-C stops it: a leader hands its leadership over first, and instances go on
/// running.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) folders: FolderArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// Stop when the process that started this one ends
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
    /// Leave the session of whoever started this one, and log to the log folder
    #[arg(long, hide = true)]
    pub(crate) background: bool,
    /// Start the node again if this process, PID.START, crashes as another binary
    #[arg(long, hide = true)]
    pub(super) guard: Option<Guarded>,
}

/// Where a master listens, other than its configuration says.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ListenArgs {
    /// Where REST and console listen, instead of what the configuration says
    #[arg(long, value_name = "HOST:PORT", env = "QUORATE_ADMIN_ADDR")]
    pub(crate) admin_addr: Option<String>,
    /// Where other nodes connect, instead of what the configuration says
    #[arg(long, value_name = "HOST:PORT", env = "QUORATE_INTERNAL_ADDR")]
    pub(crate) internal_addr: Option<String>,
}

/// Runs the node until it is asked to stop. Makes its own runtime, whose threads inherit the
/// priority that is set here.
pub(crate) fn run(args: &RunArgs, folders: &Folders) -> Result<(), Refusal> {
    let result = run_node(args, folders);
    if let (true, Err(refusal)) = (args.background, &result) {
        // In the foreground it is told on stderr; nobody reads a daemon's.
        error!(code = %refusal.code, cause = refusal.cause, "ended: {refusal}");
    }
    result
}

fn run_node(args: &RunArgs, folders: &Folders) -> Result<(), Refusal> {
    let mut image = Image::of_this_process()?;
    if let Some(node) = args.guard {
        image = image.without_guard();
        return if binary::stand_by(folders, node)? { Err(image.begin_anew()) } else { Ok(()) };
    }
    if args.background {
        binary::post_guard(folders, &image);
    }
    // Another binary may have to go on from here, before this one has done anything.
    let trial = binary::follow(folders, &image)?;
    level::refuse_too_old(folders)?;
    if binary::crashes() {
        std::process::abort();
    }
    while binary::hangs() {
        std::thread::park();
    }
    if args.with_parent {
        end_with_parent()?;
    }
    if args.background {
        leave_session()?;
    }
    let config = configuration(&args.listen, folders)?;
    if config.node.role.is_master() {
        priority::raise();
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Refusal::new(codes::INTERNAL, "cannot start the runtime").cause(error.to_string())
    })?;
    let ending = Ending::new();
    let result = runtime.block_on(serve(config, folders, &image, trial.as_ref(), &ending));
    // A blocked thread, such as one that waits for a slow disk, must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let mut anew = ending.anew();
    if let (Some(trial), Err(refusal)) = (&trial, &result)
        && trial.is_open()
        && anew.is_none()
        && !ending.was_asked()
    {
        // A new binary that cannot run this node leaves it to the one before.
        let cause = refusal.cause.as_deref().unwrap_or_default();
        trial.roll_back(&format!("it ended with {}: {refusal}: {cause}", refusal.code));
        anew = Some(Anew::Followed);
    }
    let Some(anew) = anew else { return result };
    if let Err(refusal) = result {
        // It was ordered to begin anew, which is the best that can be done now as well.
        warn!(code = %refusal.code, "it did not stop cleanly: {refusal}");
    }
    if args.background && anew == Anew::Followed {
        binary::post_guard(folders, &image);
    }
    Err(begin_anew(anew, image, folders))
}

/// Becomes what comes next. Returns only when that is not possible.
fn begin_anew(anew: Anew, image: Image, folders: &Folders) -> Refusal {
    let next = match anew {
        Anew::Followed => {
            if let Err(refusal) = binary::follow(folders, &image) {
                warn!(code = %refusal.code, "{refusal}");
            }
            // Nothing else can be become: this very binary goes on.
            image
        }
        Anew::Restarted => match binary::installed(folders, image.program()) {
            Some(installed) => image.with_program(installed),
            None => image,
        },
    };
    next.begin_anew()
}

/// The configuration file with what the flags change.
pub(super) fn configuration(listen: &ListenArgs, folders: &Folders) -> Result<NodeConfig, Refusal> {
    let mut config = NodeConfig::load(&folders.config_file())?;
    if let Some(addr) = &listen.admin_addr {
        config.node.admin_addr.clone_from(addr);
    }
    if let Some(addr) = &listen.internal_addr {
        config.node.internal_addr.clone_from(addr);
    }
    if config.node.role.is_master() {
        refuse_one_address_for_both(&config.node.admin_addr, &config.node.internal_addr)?;
    }
    Ok(config)
}

async fn serve(
    config: NodeConfig,
    folders: &Folders,
    image: &Image,
    trial: Option<&Trial>,
    ending: &Ending,
) -> Result<(), Refusal> {
    if !NodeIdentity::exists(&folders.identity()) {
        return Err(no_node_yet(folders));
    }
    let identity =
        NodeIdentity::load(&folders.identity()).map_err(|error| Refusal::from(&error))?;
    let identity = ReloadableIdentity::new(identity).map_err(|error| Refusal::from(&error))?;
    let _lock = lock_data_folder(&folders.data)?;
    removal::refuse_removed(folders)?;
    // The shims of instances, when this program took a former one's place.
    bury_heirs().map_err(|error| {
        Refusal::new(codes::INTERNAL, "cannot look at this process's children")
            .cause(error.to_string())
    })?;
    // Root key and ports are tried before anything is written.
    let prepared = if config.node.role.is_master() {
        Some(master::prepare(folders, &config).await?)
    } else {
        None
    };
    folders.create()?;
    let pid_file = PidFile::take(&folders.run, &pid_file::name(&config))?;
    let role = config.node.role;
    let reporter = Reporter::begin(folders, identity.current().node, role);
    let watchdog = tokio::spawn(keep_watchdog_quiet());
    let stop = ending.stop();
    tokio::spawn(stop_on_signal(ending.clone(), reporter.clone())?);
    forget_asked(&folders.run);
    let orders = Orders::open(folders)?;
    let dialer = Arc::new(NodeDialer::new(&identity)?);
    tokio::spawn(orders.clone().obey(image.clone(), dialer, ending.clone()));
    if let Some(trial) = trial {
        tokio::spawn(see_through(trial.clone(), reporter.clone(), orders.clone(), ending.clone()));
        if binary::never_ready() {
            wait_for_stop(stop).await?;
            return Ok(());
        }
    }
    let levels = orders.level().subscribe();
    let mut manager = config.node.role.is_node_manager().then(|| {
        let own_master = config.advertised_internal().ok().filter(|addr| !addr.is_empty());
        // A master's process tells of the master.
        let telling = (!role.is_master()).then(|| reporter.clone());
        let (identity, zone) = (Arc::clone(&identity), config.node.zone.clone());
        let (folders, orders, stop) = (folders.clone(), orders.clone(), stop.clone());
        let run = manager::run(folders, identity, own_master, telling, orders, zone, stop);
        tokio::spawn(run)
    });
    let master = async {
        match prepared {
            Some(prepared) => {
                let (folders, identity) = (folders.clone(), Arc::clone(&identity));
                let telling = reporter.clone();
                master::run(folders, config, identity, orders, prepared, telling, stop.clone())
                    .await
            }
            None => wait_for_stop(stop.clone()).await,
        }
    };
    tokio::pin!(master);
    // Whichever part ends first ends the process: half a node that looks alive helps nobody.
    let (result, managed) = tokio::select! {
        refusal = level::keep(folders.clone(), levels) => {
            end_too(ending);
            let result = master.await.and(Err(refusal));
            (result, ended(&mut manager).await)
        }
        result = &mut master => {
            end_too(ending);
            (result, ended(&mut manager).await)
        }
        managed = ended(&mut manager), if manager.is_some() => {
            end_too(ending);
            (master.await, managed)
        }
    };
    watchdog.abort();
    let result = result.and(managed).map_err(|refusal| removal::remember(folders, refusal));
    if ending.anew().is_some() {
        // The process goes on: nobody is told that it has ended.
        pid_file.keep();
        return result;
    }
    if result.is_ok() {
        info!("stopped");
    }
    reporter.update(|report| {
        report.phase = Phase::Ended;
        report.failure = result.as_ref().err().cloned();
    });
    result
}

/// Confirms the binary of an upgrade once the node is well, or has the process go back.
async fn see_through(trial: Trial, reporter: Reporter, orders: Orders, ending: Ending) {
    if trial.watch(reporter.well(), || reporter.missing(), &orders).await {
        ending.begin_anew(Anew::Followed);
    }
}

/// A part has ended: by itself, and then the process ends, or because all of it is to stop.
fn end_too(ending: &Ending) {
    if !*ending.stop().borrow() {
        ending.end();
    }
}

/// How the node manager ended, when it has; at once when there is none.
async fn ended(manager: &mut Option<JoinHandle<Result<(), Refusal>>>) -> Result<(), Refusal> {
    match manager {
        Some(manager) => manager.await.unwrap_or_else(|error| {
            Err(Refusal::new(codes::INTERNAL, format!("the node manager panicked: {error}")))
        }),
        None => Ok(()),
    }
}

async fn wait_for_stop(mut stop: watch::Receiver<bool>) -> Result<(), Refusal> {
    // The sender lives in `run`, so this cannot fail before the stop.
    let _ = stop.wait_for(|stop| *stop).await;
    Ok(())
}

/// Ends the process on SIGTERM, SIGINT and SIGQUIT.
fn stop_on_signal(
    ending: Ending,
    reporter: Reporter,
) -> Result<impl Future<Output = ()> + Send + 'static, Refusal> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Refusal::new(codes::INTERNAL, "cannot listen for signals").cause(error.to_string())
        })
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut quit = listen(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
        info!("stopping");
        reporter.update(|report| report.phase = Phase::Stopping);
        ending.end_as_asked();
    })
}

/// A daemon belongs to no terminal: neither its Ctrl-C nor its end reaches it.
fn leave_session() -> Result<(), Refusal> {
    lead_session().map_err(|error| {
        Refusal::new(codes::INTERNAL, "cannot begin a session of its own").cause(error.to_string())
    })
}

/// A throw-away cluster must not outlive the `dev` that started it, whatever ends that.
fn end_with_parent() -> Result<(), Refusal> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).map_err(
        |error| {
            refuse_file("tie this process to", std::path::Path::new("its parent"), &error.into())
        },
    )
}
