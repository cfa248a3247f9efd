//! Where a master is reached.

use std::{fmt, path::PathBuf, str::FromStr};

use reqwest::Url;

use crate::ClientError;

/// Where a master is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Its unix socket on this host; the socket's permissions are the login.
    Unix(PathBuf),
    /// The base URL of its admin port, such as `http://db-1:8080`.
    Url(Url),
}

impl Endpoint {
    /// Reads base URLs separated by commas, such as `http://db-1:8080,http://db-2:8080`.
    ///
    /// # Errors
    /// [`ClientError::Invalid`], naming the one that is not an `http` or `https` URL.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ClientError> {
        let endpoints: Vec<Self> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(ClientError::Invalid { reason: "no server is named".to_owned() });
        }
        Ok(endpoints)
    }
}

impl FromStr for Endpoint {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why: String| ClientError::Invalid {
            reason: format!(
                "`{text}` is not the URL of a master, such as `http://db-1:8080`: {why}"
            ),
        };
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it begins with neither `http://` nor `https://`".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("a password in a URL ends up in histories and logs".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a `?` or a `#`".to_owned()));
        }
        Ok(Self::Url(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_separated_by_commas() {
        let list = Endpoint::parse_list("http://db-1:8080, https://db-2:8443/").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["http://db-1:8080", "https://db-2:8443"]);
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no server is named"),
            ("db-1:8080", "neither"),
            ("db-1", "relative URL"),
            ("ftp://db-1", "neither"),
            ("http://a:b@db-1", "password"),
            ("http://db-1/?x", "`?`"),
        ] {
            let error = Endpoint::parse_list(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
