//! Asks a binary what it is, and whether it runs on this host at all.

use std::{fs::File, io::Read, path::Path, process::Stdio, time::Duration};

use quorate_model::{BinaryFacts, Refusal, codes};

/// How long a binary may take to say its version.
const DEADLINE: Duration = Duration::from_secs(10);
/// As much of a file is looked at, and where an ELF file says there for which machine it is.
const HEAD: u64 = 20;
const MACHINE: std::ops::Range<usize> = 18..20;

/// What the binary says of itself; a refusal when it is for another architecture, does not start,
/// or does not say it.
pub(super) async fn look(program: &Path) -> Result<BinaryFacts, Refusal> {
    is_for_this_machine(program)?;
    let mut command = tokio::process::Command::new(program);
    command.args(["version", "--output", "json"]).env_clear();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(unfit("it cannot be started", &error.to_string())),
        Err(_) => return Err(unfit("it does not say its version", "it did not end in time")),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let cause = format!("`version` ended with {}: {said}", output.status);
        return Err(unfit("it does not say its version", &cause));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| unfit("it does not say which feature levels it reads", &error.to_string()))
}

/// An ELF file names its machine in its first bytes; this process's own file has the right one.
fn is_for_this_machine(program: &Path) -> Result<(), Refusal> {
    let theirs = machine(program)?;
    let ours = machine(Path::new("/proc/self/exe"))?;
    if theirs == ours {
        return Ok(());
    }
    let cause = format!(
        "this host is {} (ELF machine {ours:?}), the binary is for ELF machine {theirs:?}",
        std::env::consts::ARCH
    );
    Err(unfit("it is for another architecture", &cause))
}

fn machine(program: &Path) -> Result<[u8; 2], Refusal> {
    let mut head = Vec::new();
    File::open(program)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(|error| unfit("it cannot be read", &error.to_string()))?;
    if !head.starts_with(b"\x7fELF") {
        return Err(unfit("it is no program for Linux", "its first bytes are not those of ELF"));
    }
    head.get(MACHINE)
        .and_then(|machine| machine.try_into().ok())
        .ok_or_else(|| unfit("it cannot be read", "it is too short"))
}

fn unfit(what: &str, cause: &str) -> Refusal {
    Refusal::new(codes::BINARY_UNFIT, format!("the binary is not fit for this host: {what}"))
        .cause(cause)
        .hint("choose a binary of Quorate for this architecture, then upload that one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_program_of_quorate_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "#!/bin/sh\necho quorate 1.0.0\n").unwrap();
        let mut other = std::fs::read("/proc/self/exe").unwrap();
        other.truncate(4096);
        other[18] ^= 0x7f;
        let foreign = folder.path().join("foreign");
        std::fs::write(&foreign, other).unwrap();
        for (program, words) in [
            (text.as_path(), "no program"),
            (foreign.as_path(), "architecture"),
            (Path::new("/bin/false"), "version"),
            (Path::new("/bin/echo"), "feature levels"),
        ] {
            let refusal = look(program).await.unwrap_err();
            assert_eq!(refusal.code, codes::BINARY_UNFIT);
            assert!(refusal.message.contains(words), "{refusal}");
        }
    }
}
