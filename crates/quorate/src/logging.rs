//! The log of this process, on stderr.

use tracing_subscriber::EnvFilter;

use crate::cli::Command;

/// Begins the log: a running node's always, other commands' when `-v` asks for it. `RUST_LOG` overrides both.
pub(crate) fn init(command: &Command, verbose: u8) {
    let is_node = matches!(command, Command::Run(_));
    // The engine warns twice a second of every peer that is away; `status` says that once.
    let level = match (is_node, verbose) {
        (true, 0) => "info,openraft=error",
        (false, 0) => "off",
        (_, 1) => "debug,openraft=info,hyper_util=info,h2=info",
        (_, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    // Colours are for terminals; `NO_COLOR` is seen to by the subscriber itself.
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // There is one log for each process, and it begins here: nobody can have begun it before.
    let _ = log.with_ansi(colour).try_init();
}
