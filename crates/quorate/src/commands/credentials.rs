//! The tokens of logins, kept per server in a file that only its owner can read.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use quorate_client::Endpoint;
use quorate_keyring::{atomic_write, make_private_folder};
use quorate_model::{Refusal, codes};
use serde::{Deserialize, Serialize};

use crate::ui::Failure;

const VERSION: u32 = 1;

/// The saved logins.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
    content: Content,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    version: u32,
    #[serde(default)]
    servers: BTreeMap<String, Login>,
}

/// A login at one server.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    /// The user.
    pub(crate) username: String,
    /// The bearer token.
    pub(crate) token: String,
    /// When it ends, RFC 3339.
    pub(crate) expires_at: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file of this user; a missing one holds no logins.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load() -> Result<Self, Failure> {
        Self::load_from(path()?)
    }

    fn load_from(path: PathBuf) -> Result<Self, Failure> {
        let content = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                refused("read", &path, &error.to_string())
                    .hint(format!("remove it and log in again: rm {}", path.display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(refused("read", &path, &error.to_string()).into()),
        };
        Ok(Self { path, content })
    }

    /// The token of a login at one of these servers. They are masters of one cluster, so any of
    /// them takes it.
    pub(crate) fn token(&self, servers: &[Endpoint]) -> Option<String> {
        let mut logins =
            servers.iter().filter_map(|server| self.content.servers.get(&server.to_string()));
        logins.next().map(|login| login.token.clone())
    }

    /// Remembers a login at all of these servers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&mut self, servers: &[Endpoint], login: &Login) -> Result<(), Failure> {
        for server in servers {
            self.content.servers.insert(server.to_string(), login.clone());
        }
        self.store()
    }

    /// Forgets the logins at these servers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn forget(&mut self, servers: &[Endpoint]) -> Result<(), Failure> {
        for server in servers {
            self.content.servers.remove(&server.to_string());
        }
        self.store()
    }

    fn store(&mut self) -> Result<(), Failure> {
        self.content.version = VERSION;
        let text = serde_json::to_string_pretty(&self.content).map_err(|error| {
            Refusal::new(codes::INTERNAL, "cannot encode the logins").cause(error.to_string())
        })?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        make_private_folder(folder)
            .map_err(|error| refused("write", &self.path, &error.to_string()))?;
        // Whoever reads it meanwhile sees the old logins or the new, and nobody else may.
        atomic_write(&self.path, text.as_bytes(), 0o600)
            .map_err(|error| refused("write", &self.path, &error.to_string()).into())
    }
}

fn path() -> Result<PathBuf, Failure> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .ok_or_else(|| {
            Refusal::new(codes::FILE_ACCESS, "there is no folder to keep logins in")
                .hint("set HOME or XDG_CONFIG_HOME")
        })?;
    Ok(config.join("quorate").join("credentials.json"))
}

fn refused(verb: &str, path: &Path, reason: &str) -> Refusal {
    Refusal::new(codes::FILE_ACCESS, format!("cannot {verb} the saved logins"))
        .cause(format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_login_is_kept_for_every_server_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quorate/credentials.json");
        let servers = Endpoint::parse_list("http://a:1,http://b:1/").unwrap();
        let login = Login {
            username: "admin".to_owned(),
            token: "t1".to_owned(),
            expires_at: String::new(),
        };
        Credentials::load_from(path.clone()).unwrap().save(&servers, &login).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);

        let mut saved = Credentials::load_from(path.clone()).unwrap();
        assert_eq!(saved.token(&servers[1..]).as_deref(), Some("t1"));
        assert_eq!(saved.token(&Endpoint::parse_list("http://c:1").unwrap()), None);
        saved.forget(&servers).unwrap();
        assert_eq!(Credentials::load_from(path).unwrap().token(&servers), None);
        assert!(!format!("{login:?}").contains("t1"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        fs::write(&path, "{").unwrap();
        let failure = Credentials::load_from(path).unwrap_err();
        assert_eq!(failure.body.code, codes::FILE_ACCESS);
        assert!(failure.body.hint.is_some());
    }
}
