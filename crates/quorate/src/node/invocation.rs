//! How `quorate` is called for the node of these folders: hints that leave out `--root` would send
//! people to another node, or to none.

use std::path::Path;

/// The commands that are about the node on this host.
const OF_THIS_NODE: [&str; 9] =
    ["start", "stop", "restart", "run", "status", "doctor", "recover", "init", "join"];
/// What ends a command in a sentence.
const ENDS: [char; 4] = [';', ',', ')', '\n'];

/// The flags that name a node's folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Invocation {
    flags: String,
}

impl Invocation {
    /// For the folders below `root`, or with this run folder; where neither is given, the defaults.
    pub(crate) fn of(root: Option<&Path>, run_dir: Option<&Path>) -> Self {
        let flag = |name: &str, folder: Option<&Path>| {
            folder.map_or_else(String::new, |folder| {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
                format!(" {name} {}", quoted(&folder.display().to_string()))
            })
        };
        Self { flags: flag("--root", root) + &flag("--run-dir", run_dir) }
    }

    /// A hint whose commands about the node on this host carry the flags.
    pub(crate) fn fit(&self, hint: &str) -> String {
        const NAME: &str = "quorate ";
        let mut fitted = String::new();
        let mut rest = hint;
        while let Some(place) = rest.find(NAME) {
            let (before, command) = rest.split_at(place);
            let (name, arguments) = command.split_at(NAME.len());
            fitted.push_str(before);
            fitted.push_str(name.trim_end());
            let verb = arguments.split(|it: char| !it.is_ascii_alphabetic()).next();
            let clause = arguments.split(ENDS).next().unwrap_or(arguments);
            let elsewhere = clause.contains("--server") || clause.contains("--root");
            if OF_THIS_NODE.iter().any(|it| Some(*it) == verb) && !elsewhere {
                fitted.push_str(&self.flags);
            }
            fitted.push(' ');
            rest = arguments;
        }
        fitted.push_str(rest);
        fitted
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-+@:".contains(it);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_this_node_carry_its_root_and_others_do_not() {
        let here = Invocation::of(Some(Path::new("/srv/m1")), None);
        for (hint, fitted) in [
            (
                "start it: quorate start, then wait",
                "start it: quorate --root /srv/m1 start, then wait",
            ),
            (
                "quorate stop, then quorate recover collect --out m1.json",
                "quorate --root /srv/m1 stop, then quorate --root /srv/m1 recover collect --out m1.json",
            ),
            (
                "quorate status --server http://MASTER:8080",
                "quorate status --server http://MASTER:8080",
            ),
            (
                "quorate status --root /other; quorate help Q4504",
                "quorate status --root /other; quorate help Q4504",
            ),
            ("quorate token create on a master", "quorate token create on a master"),
            ("move /var/lib/quorate aside", "move /var/lib/quorate aside"),
        ] {
            assert_eq!(here.fit(hint), fitted);
            assert_eq!(Invocation::default().fit(hint), hint);
        }
        let odd = Invocation::of(Some(Path::new("/srv/my node")), Some(Path::new("/run/x")));
        assert_eq!(odd.fit("quorate run"), "quorate --root '/srv/my node' --run-dir /run/x run");
    }
}
