//! `quorate node upgrade`.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use quorate_api::rest::UpgradeNodesBody;
use quorate_client::Client;

use crate::{
    commands::{
        Session,
        change::{self, ChangeArgs},
    },
    node::{binary, refuse_file},
    ui::{Failure, Outcome, duration},
};

const MIB: u64 = 1024 * 1024;
/// A part is sent with one call.
const PART: u64 = MIB;

/// Upgrade Quorate itself on nodes one by one, without stopping any instance
///
/// The binary is uploaded to a master, from where every node fetches it and tries it before
/// anything stops. Then node managers first, the masters that follow, the leader last: each goes on
/// in place as the new binary and is waited for until it is ready. The first that is not goes back
/// to the binary it ran before, and the operation stops there, with the reason. The feature level
/// rises at the end, once every node reads it.
#[derive(Debug, clap::Args)]
pub(crate) struct UpgradeArgs {
    /// Names or ids of nodes
    #[arg(value_name = "NODE", required_unless_present_any = ["masters", "all"])]
    pub(crate) nodes: Vec<String>,
    /// All masters
    #[arg(long)]
    pub(crate) masters: bool,
    /// All nodes
    #[arg(long, conflicts_with_all = ["masters", "nodes"])]
    pub(crate) all: bool,
    /// The new binary of Quorate, on this host; `--plan` uploads it as well, and changes nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: PathBuf,
    /// How long each node may take until it is ready with it, before it goes back
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    pub(crate) ready_within: Duration,
    /// Accept that masters which tolerate no failure are interrupted
    #[arg(long)]
    pub(crate) accept_interruption: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(session: &Session, args: &UpgradeArgs) -> Outcome {
    let client = session.client()?;
    let sha256 = upload(session, &client, &args.binary).await?;
    let how = UpgradeNodesBody {
        nodes: args.nodes.clone(),
        masters: args.masters,
        all: args.all,
        sha256,
        ready_within_ms: u64::try_from(args.ready_within.as_millis()).unwrap_or(u64::MAX),
        accept_interruption: args.accept_interruption,
    };
    let question = super::question("Upgrade", args.all, args.masters, &args.nodes);
    change::run(
        session,
        &client,
        &args.change,
        &question,
        async || client.plan_node_upgrade(&how).await,
        async || client.node_upgrade(&how).await,
    )
    .await
}

/// Uploads the binary to the master at hand, from where that stands; gives its digest.
async fn upload(session: &Session, client: &Client, path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| refuse_file("read", path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let (sha256, size) = binary::digest_of(&file).map_err(unreadable)?;
    let mut view = client.binary(&sha256).await?;
    if view.facts.is_none() {
        session.ui.note(&format!("uploading {} ({} MiB)", path.display(), size.div_ceil(MIB)));
    }
    while view.facts.is_none() {
        let offset = view.received;
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        (&file).take(PART).read_to_end(&mut part).map_err(unreadable)?;
        view = client.put_binary(&sha256, offset, size, part).await?;
    }
    if let Some(facts) = &view.facts {
        session.ui.note(&format!("{} for {}, {sha256}", facts.version, facts.architecture));
    }
    Ok(sha256)
}
