//! The run: its parts in order, the systems in turns.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    arguments::{Arguments, Phase},
    error::BenchError,
    failover::{self, Departure},
    fleet::{self, Fleet},
    footprint,
    join::{self, Joined},
    load::{self, Loaded},
    machine::Machine,
    progress::progress,
    report::{
        FailoverResult, FootprintResult, Method, Report, RollingResult, SystemVersion, WritesResult,
    },
    rolling::{self, By},
    statistics::number,
    systems::{KEYS, Kind, Quorate, System, VALUE_BYTES, build_quorate},
    workload,
};

/// Members of a cluster, but where one alone is looked at.
const MEMBERS: usize = 3;
/// More than this before the start is worth a warning.
const BUSY_PERCENT: f64 = 10.0;
const ALL: [Kind; 3] = [Kind::Quorate, Kind::Etcd, Kind::Zookeeper];

/// Does all that was asked for.
pub(crate) async fn run(arguments: &Arguments) -> Result<Report, BenchError> {
    let bench = Bench::new(arguments)?;
    let machine = Machine::look(bench.folder.path())?;
    if machine.busy_before_percent > BUSY_PERCENT {
        progress(&format!(
            "warning: other programs use {} % of a core; the numbers will be disturbed",
            number(machine.busy_before_percent, 0)
        ));
    }
    let wants = |phase| arguments.phases.contains(&phase);
    let footprint = if wants(Phase::Footprint) { bench.footprint().await? } else { Vec::new() };
    let writes = if wants(Phase::Writes) { bench.writes().await? } else { Vec::new() };
    let departures = [(Phase::Failover, Departure::Killed), (Phase::Handover, Departure::Asked)]
        .into_iter()
        .filter_map(|(phase, departure)| wants(phase).then_some(departure))
        .collect::<Vec<_>>();
    let mut departed =
        if departures.is_empty() { BTreeMap::new() } else { bench.departures(&departures).await? };
    let rolling = if wants(Phase::Rolling) { bench.rolling().await? } else { Vec::new() };
    let measures_quorate = bench.kinds().any(|kind| kind == Kind::Quorate);
    let join =
        if wants(Phase::Join) && measures_quorate { Some(bench.join().await?) } else { None };
    let fleet =
        if wants(Phase::Fleet) && measures_quorate { Some(bench.fleet().await?) } else { None };
    let load =
        if wants(Phase::Load) && measures_quorate { Some(bench.load().await?) } else { None };
    Ok(Report {
        date: arguments.date.clone(),
        machine,
        method: Method {
            rounds: arguments.rounds(),
            seconds: arguments.duration().as_secs(),
            value_bytes: VALUE_BYTES,
            keys: KEYS,
            warm_up_seconds: arguments.warm_up().as_secs(),
            trials: arguments.trials(),
            starts: arguments.starts(),
            idle_seconds: arguments.idle().as_secs(),
        },
        systems: bench.systems,
        footprint,
        writes,
        failover: departed.remove(&Departure::Killed).unwrap_or_default(),
        handover: departed.remove(&Departure::Asked).unwrap_or_default(),
        rolling,
        join,
        fleet,
        load,
    })
}

struct Bench<'a> {
    arguments: &'a Arguments,
    systems: Vec<SystemVersion>,
    quorate: PathBuf,
    /// Everything that the systems write; removed at the end.
    folder: TempDir,
}

/// A cluster and its folder, which goes when the cluster has ended: fields are dropped in order.
struct Cluster {
    system: Box<dyn System>,
    _folder: TempDir,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, BenchError> {
        let asked = |kind| arguments.systems.is_empty() || arguments.systems.contains(&kind);
        let quorate = match &arguments.quorate {
            Some(program) => program.clone(),
            None if asked(Kind::Quorate) => {
                progress("building quorate");
                build_quorate()?
            }
            None => PathBuf::new(),
        };
        let mut systems = Vec::new();
        for kind in ALL.into_iter().filter(|kind| asked(*kind)) {
            match kind.check(&quorate) {
                Ok(version) => systems.push(SystemVersion { system: kind, version }),
                Err(error) if arguments.systems.is_empty() => {
                    progress(&format!("left out: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        let folder = temporary(&place(arguments))?;
        Ok(Self { arguments, systems, quorate, folder })
    }

    fn cluster(&self, kind: Kind, members: usize) -> Result<Cluster, BenchError> {
        let folder = temporary(self.folder.path())?;
        let system = kind.cluster(members, folder.path(), &self.quorate)?;
        Ok(Cluster { system, _folder: folder })
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.systems.iter().map(|it| it.system)
    }

    /// Starts a cluster of each, filled and warm.
    async fn warm_clusters(&self) -> Result<Vec<Cluster>, BenchError> {
        let mut clusters = Vec::new();
        for kind in self.kinds() {
            progress(&format!("{}: starting three members", kind.name()));
            let mut cluster = self.cluster(kind, MEMBERS)?;
            cluster.system.start().await?;
            workload::fill(&*cluster.system).await?;
            if kind.needs_warm_up() {
                progress(&format!("{}: warming up", kind.name()));
                workload::warm_up(&*cluster.system, self.arguments.warm_up()).await?;
            }
            clusters.push(cluster);
        }
        Ok(clusters)
    }

    async fn writes(&self) -> Result<Vec<WritesResult>, BenchError> {
        let mut clusters = self.warm_clusters().await?;
        let mut samples = BTreeMap::<_, Vec<_>>::new();
        for round in 0..self.arguments.rounds() {
            workload::turn(&mut clusters, round);
            for clients in self.arguments.clients.iter().copied().map(usize::from) {
                for Cluster { system, .. } in &mut clusters {
                    let duration = self.arguments.duration();
                    let sample = workload::measure(&**system, clients, duration).await?;
                    let kind = system.kind();
                    system.members_mut().check(kind.name())?;
                    progress(&format!(
                        "round {}: {} clients: {}: {} writes/s, p50 {} ms, p99 {} ms, CPU {} + {} + {} %",
                        round + 1,
                        clients,
                        kind.name(),
                        number(sample.per_second, 0),
                        number(sample.p50_ms, 2),
                        number(sample.p99_ms, 2),
                        number(sample.servers_cpu, 0),
                        number(sample.generator_cpu, 0),
                        number(sample.others_cpu, 0),
                    ));
                    samples.entry((clients, kind)).or_default().push(sample);
                }
            }
        }
        let result =
            |((clients, kind), samples): (_, Vec<_>)| WritesResult::of(kind, clients, &samples);
        Ok(samples.into_iter().filter_map(result).collect())
    }

    /// The leader goes, in each of these ways in turn.
    async fn departures(
        &self,
        departures: &[Departure],
    ) -> Result<BTreeMap<Departure, Vec<FailoverResult>>, BenchError> {
        let mut clusters = self.warm_clusters().await?;
        let mut results = BTreeMap::new();
        for departure in departures {
            let how = match departure {
                Departure::Killed => "killed",
                Departure::Asked => "asked to stop",
            };
            let mut trials = BTreeMap::<_, Vec<_>>::new();
            for number in 0..self.arguments.trials() {
                workload::turn(&mut clusters, number);
                for Cluster { system, .. } in &mut clusters {
                    let kind = system.kind();
                    let trial = failover::trial(&mut **system, *departure).await?;
                    progress(&format!(
                        "leader {} of {} {how}: {:.3} s until a write, {:.3} s on every survivor",
                        number + 1,
                        kind.name(),
                        trial.any.as_secs_f64(),
                        trial.every.as_secs_f64(),
                    ));
                    trials.entry(kind).or_default().push(trial);
                }
            }
            let result = |(kind, trials): (_, Vec<_>)| FailoverResult::of(kind, &trials);
            results.insert(*departure, trials.into_iter().filter_map(result).collect());
        }
        Ok(results)
    }

    async fn rolling(&self) -> Result<Vec<RollingResult>, BenchError> {
        let mut clusters = self.warm_clusters().await?;
        let mut restarts = BTreeMap::<_, Vec<_>>::new();
        for number in 0..self.arguments.restarts() {
            workload::turn(&mut clusters, number);
            for Cluster { system, .. } in &mut clusters {
                let kind = system.kind();
                for by in [By::Signals, By::Operation] {
                    let Some(rolled) = rolling::restart(&mut **system, by).await? else { continue };
                    progress(&format!(
                        "rolling restart {} of {} ({}): {:.2} s, {:.3} s without a write",
                        number + 1,
                        kind.name(),
                        by.name(),
                        rolled.took.as_secs_f64(),
                        rolled.pause.as_secs_f64(),
                    ));
                    restarts.entry((kind, by)).or_default().push(rolled);
                }
            }
        }
        let result = |((kind, by), restarts): (_, Vec<_>)| RollingResult::of(kind, by, &restarts);
        Ok(restarts.into_iter().filter_map(result).collect())
    }

    async fn join(&self) -> Result<Joined, BenchError> {
        let folder = temporary(self.folder.path())?;
        let mut system = Quorate::new(MEMBERS, folder.path(), &self.quorate)?;
        let state_mb = self.arguments.state_mb();
        progress(&format!("a fourth master joins a state of {state_mb} MB"));
        let joined = join::measure(&mut system, state_mb).await;
        system.stop();
        joined
    }

    async fn fleet(&self) -> Result<Fleet, BenchError> {
        let folder = temporary(self.folder.path())?;
        let mut system = Quorate::new(MEMBERS, folder.path(), &self.quorate)?;
        let (number, idle) = (self.arguments.node_managers(), self.arguments.idle());
        let fleet = fleet::measure(&mut system, number, idle).await;
        system.stop();
        fleet
    }

    async fn load(&self) -> Result<Loaded, BenchError> {
        let folder = temporary(self.folder.path())?;
        let mut system = Quorate::new(MEMBERS, folder.path(), &self.quorate)?;
        let minutes = self.arguments.load_minutes();
        progress(&format!("three masters under full load, minutes: {minutes}"));
        let loaded = load::measure(&mut system, folder.path(), minutes).await;
        system.stop();
        loaded
    }

    async fn footprint(&self) -> Result<Vec<FootprintResult>, BenchError> {
        let mut results = Vec::new();
        for members in [MEMBERS, 1] {
            let mut ready = BTreeMap::<_, Vec<_>>::new();
            for start in 1..=self.arguments.starts() {
                for kind in self.kinds() {
                    let mut cluster = self.cluster(kind, members)?;
                    let seconds = footprint::start(&mut *cluster.system).await?;
                    progress(&format!(
                        "start {start}: {}, members: {members}: ready after {seconds:.2} s",
                        kind.name()
                    ));
                    let all = ready.entry(kind).or_default();
                    all.push(seconds);
                    if start == self.arguments.starts() {
                        let idle = footprint::idle(&*cluster.system, self.arguments.idle()).await;
                        results.extend(FootprintResult::of(kind, members, all, &idle));
                    }
                    cluster.system.stop();
                }
            }
        }
        Ok(results)
    }
}

/// Beside this program rather than where temporary files go, which may be memory: a flush that
/// costs nothing would be measured.
fn place(arguments: &Arguments) -> PathBuf {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    arguments.folder.clone().or(beside).unwrap_or_else(std::env::temp_dir)
}

fn temporary(below: &Path) -> Result<TempDir, BenchError> {
    tempfile::Builder::new().prefix("bench-").tempdir_in(below).map_err(|source| BenchError::File {
        action: "make a folder in",
        path: below.into(),
        source,
    })
}
