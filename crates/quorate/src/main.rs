//! quorate: the one binary. Reads the command line, runs the command, exits with its code.

mod cli;
mod commands;
mod dev;
mod logging;
mod node;
mod panics;
mod ui;

use std::process::ExitCode;

use clap::Parser;
use quorate_api::exit;
use quorate_model::{Refusal, codes};
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{Cli, Command},
    commands::{
        Session, audit, completions, component, doctor, enrolment, explain, help, keygen, login,
        logout, master, operation, recover, reset, setting, status, token, version, whoami,
    },
    node::{FolderArgs, Folders},
    ui::{Failure, Outcome},
};

/// Writes are many small allocations in a few threads.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if let Some(code) = node::shim::run_if_asked() {
        return code;
    }
    // A caller's lock or pipe must not be held by a daemon, or an instance, for as long as that runs.
    close_fds::set_fds_cloexec(3, &[]);
    node::memory::keep_private();
    panics::install_hook();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` end here too. When nobody can read it, the code says it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let session = Session::new(cli.global);
    ExitCode::from(panics::caught(|| {
        run(&session, &cli.command).unwrap_or_else(|failure| session.failed(failure))
    }))
}

fn run(session: &Session, command: &Command) -> Outcome {
    let daemon_log = match command {
        Command::Run(args) if args.background => {
            Some(logging::file(&folders(session, &args.folders).log))
        }
        _ => None,
    };
    logging::init(command, session.global.verbose, daemon_log);
    match command {
        Command::Dev(args) => {
            block_on_node(dev::run(args, session.global.root.clone()))?;
            Ok(exit::DONE)
        }
        Command::Sample(args) => {
            block_on_node(dev::sample::run(args))?;
            Ok(exit::DONE)
        }
        Command::Init(args) => {
            let folders = folders(session, &args.folders);
            session.ui.note(&block_on_node(node::init::run(args, &folders))?);
            Ok(exit::DONE)
        }
        Command::Join(args) => {
            let folders = folders(session, &args.folders);
            session.ui.note(&block_on_node(node::join::run(args, &folders, &|line| {
                session.ui.note(line)
            }))?);
            Ok(exit::DONE)
        }
        Command::Run(args) => {
            let folders = folders(session, &args.folders);
            // A node makes its own runtime, after it has set its priority.
            node::run::run(args, &folders)?;
            Ok(exit::DONE)
        }
        Command::Start(args) => {
            block_on(node::daemon::start(args, &folders(session, &args.folders), &session.ui))
        }
        Command::Stop(args) => {
            block_on(node::daemon::stop(args, &folders(session, &args.folders), &session.ui))
        }
        Command::Restart(args) => {
            let folders = folders(session, &args.start.folders);
            block_on(node::daemon::restart(args, &folders, &session.ui))
        }
        Command::Status(args) => block_on(status::run(session, args)),
        Command::Doctor(args) => block_on(doctor::run(session, args)),
        Command::Node(command) => block_on(commands::node::run(session, command)),
        Command::Master(command) => block_on(master::run(session, command)),
        Command::Enrolment(command) => block_on(enrolment::run(session, command)),
        Command::Token(command) => block_on(token::run(session, command)),
        Command::Component(command) => block_on(component::run(session, command)),
        Command::Operation(command) => block_on(operation::run(session, command)),
        Command::Recover(command) => block_on(recover::run(session, command)),
        Command::Reset(args) => block_on(reset::run(session, args)),
        Command::Setting(command) => block_on(setting::run(session, command)),
        Command::Audit(command) => block_on(audit::run(session, command)),
        Command::Login(args) => block_on(login::run(session, args)),
        Command::Logout(args) => block_on(logout::run(session, args)),
        Command::Whoami(args) => block_on(whoami::run(session, args)),
        Command::Keygen(args) => keygen::run(session, args),
        Command::Explain(args) => explain::run(session, args),
        Command::Help(args) => help::run(session, args),
        Command::Completions(args) => completions::run(session, args),
        Command::Version(args) => version::run(session, args),
    }
}

fn folders(session: &Session, args: &FolderArgs) -> Folders {
    let global = &session.global;
    Folders::resolve(args, global.root.as_deref(), global.run_dir.as_deref())
}

/// Runs a command that asks and waits; one thread is enough.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    runtime(&mut Builder::new_current_thread())?.block_on(command)
}

/// Runs what makes this process a node, on all processors.
fn block_on_node<T>(node: impl Future<Output = Result<T, Refusal>>) -> Result<T, Failure> {
    Ok(runtime(&mut Builder::new_multi_thread())?.block_on(node)?)
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(|error| {
        Refusal::new(codes::INTERNAL, "cannot start the runtime").cause(error.to_string()).into()
    })
}
