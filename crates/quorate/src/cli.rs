//! The command line as a tree. The doc comment of each `Args` is its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{
        audit, completions, component, doctor, enrolment, explain, help, keygen, login, logout,
        master, node as nodes, operation, recover, reset, setting, status, token, version, whoami,
    },
    dev, node,
    ui::Format,
};

/// Runs the day-2 operations of clusters that live by a quorum
///
/// Exit codes: 0 done, 1 failed (status: not healthy), 2 usage, 3 refused by preflight,
/// 4 no leader or no quorum, 5 still running (detached or timed out), 255 a bug in Quorate.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Masters to ask instead of the node on this host; the first that answers is used
    #[arg(long, global = true, value_name = "URL[,URL]", env = "QUORATE_SERVER")]
    #[arg(hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// The folder that holds the node's folders, when several nodes run on this host
    #[arg(long, global = true, value_name = "DIR", env = "QUORATE_ROOT", hide_env_values = true)]
    pub(crate) root: Option<PathBuf>,
    /// The folder of the node's socket [default: ROOT/run or /run/quorate]
    #[arg(long, global = true, value_name = "DIR", env = "QUORATE_RUN_DIR")]
    #[arg(hide_env_values = true)]
    pub(crate) run_dir: Option<PathBuf>,
    /// How data is shown on stdout
    #[arg(long, short, global = true, value_enum, default_value_t)]
    #[arg(hide_possible_values = true, value_name = "table|json|yaml")]
    pub(crate) output: Format,
    /// No colours; NO_COLOR in the environment says the same
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Only data and errors: no notes, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Tell what is done on the way; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(dev::DevArgs),
    Keygen(keygen::KeygenArgs),
    Init(node::init::InitArgs),
    Join(node::join::JoinArgs),
    Run(node::run::RunArgs),
    Start(node::daemon::StartArgs),
    Stop(node::daemon::StopArgs),
    Restart(node::daemon::RestartArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Node(nodes::NodeCommand),
    #[command(subcommand)]
    Master(master::MasterCommand),
    #[command(subcommand)]
    Token(token::TokenCommand),
    #[command(subcommand)]
    Enrolment(enrolment::EnrolmentCommand),
    #[command(subcommand)]
    Component(component::ComponentCommand),
    #[command(subcommand)]
    Operation(operation::OperationCommand),
    #[command(subcommand)]
    Recover(recover::RecoverCommand),
    Reset(reset::ResetArgs),
    #[command(subcommand)]
    Setting(setting::SettingCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Login(login::LoginArgs),
    Logout(logout::LogoutArgs),
    Whoami(whoami::WhoamiArgs),
    Explain(explain::ExplainArgs),
    Help(help::HelpArgs),
    Completions(completions::CompletionsArgs),
    Version(version::VersionArgs),
    #[command(hide = true)]
    Sample(dev::sample::SampleArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_whole_reference() {
        let mut reference = String::new();
        // Without the terminal's width and without bold, which the help would otherwise have.
        let mut root = Cli::command().term_width(100).color(clap::ColorChoice::Never);
        root.build();
        write_help(&mut root, &mut reference);
        insta::assert_snapshot!(reference);
    }

    fn write_help(command: &mut clap::Command, reference: &mut String) {
        // What the variables hold where the test runs is not part of the reference.
        *command = command.clone().mut_args(|arg| arg.hide_env_values(true));
        let help = command.render_long_help().to_string();
        let name = command.get_bin_name().unwrap_or("quorate").to_owned();
        // Every command takes the global options: they are shown once, at the root.
        let help = match help.split_once("\nGlobal options:") {
            Some((own, _)) if name != "quorate" => own.to_owned(),
            _ => help,
        };
        reference.push_str(&format!("=== {name}\n{}\n\n", help.trim_end()));
        for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
            write_help(sub, reference);
        }
    }
}
