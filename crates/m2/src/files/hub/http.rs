//! Requests to the hub: redirects under our rules, the token only to the hub itself.

use std::time::Duration;

use ureq::{
    Agent, Body,
    http::{Response, header},
};

use crate::files::{FileError, cache::Locations, error::clip};

/// Most redirects that are followed.
const MAX_REDIRECTS: usize = 8;

/// A client for one hub.
pub(super) struct Client {
    agent: Agent,
    /// `scheme://host:port` of the hub: the only place that sees the token.
    origin: String,
    token: Option<String>,
}

/// A request that is answered without a body (`Head`) or with one, from a byte on (`Get`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Get { from: u64 },
}

impl Client {
    pub fn new(locations: &Locations) -> Result<Self, FileError> {
        let endpoint = &locations.endpoint;
        let Some((scheme, host, _)) = split(endpoint) else {
            return Err(FileError::Fetch {
                what: format!("HF_ENDPOINT is {}", clip(endpoint)),
                why: "it is no http or https address".to_owned(),
                help: "unset it, or set it to https://huggingface.co".to_owned(),
            });
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("m2/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(locations.etag_timeout))
            .timeout_recv_response(Some(locations.etag_timeout.max(Duration::from_secs(1))))
            .timeout_per_read(Some(locations.download_timeout));
        if host.starts_with("127.") || host.starts_with("localhost") {
            config = config.proxy(None);
        }
        Ok(Client {
            agent: config.build().new_agent(),
            origin: format!("{scheme}://{host}"),
            token: locations.token.clone(),
        })
    }

    /// Sends a request and follows redirects: from https to https only, from http to either. With
    /// `until_away`, a redirect to another place than the hub is returned instead of followed.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        until_away: bool,
    ) -> Result<Response<Body>, Trouble> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(method, &url)?;
            let status = response.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|l| l.to_str().ok())
                .ok_or_else(|| failed(&url, "a redirect to nowhere".to_owned()))?;
            let next = resolve(&url, target).ok_or_else(|| {
                failed(&url, format!("a redirect to {}, which is refused", clip(target)))
            })?;
            if until_away && !self.is_hub(&next) {
                return Ok(response);
            }
            url = next;
        }
        Err(failed(&url, format!("more than {MAX_REDIRECTS} redirects")).into())
    }

    fn once(&self, method: Method, url: &str) -> Result<Response<Body>, Trouble> {
        let mut request = match method {
            Method::Head => self.agent.head(url),
            Method::Get { .. } => self.agent.get(url),
        };
        if let Method::Get { from: from @ 1.. } = method {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.call().map_err(|e| Trouble::Passing(failed(url, e.to_string())))
    }

    fn is_hub(&self, url: &str) -> bool {
        split(url).is_some_and(|(scheme, host, _)| format!("{scheme}://{host}") == self.origin)
    }
}

/// An error, and whether the same request may well succeed a moment later.
pub(super) enum Trouble {
    Passing(FileError),
    Lasting(FileError),
}

impl From<FileError> for Trouble {
    fn from(e: FileError) -> Self {
        Trouble::Lasting(e)
    }
}

impl From<Trouble> for FileError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Passing(e) | Trouble::Lasting(e) => e,
        }
    }
}

/// An error of a request.
pub(super) fn failed(url: &str, why: String) -> FileError {
    // Signed addresses carry secrets after the question mark.
    let shown = url.split('?').next().unwrap_or(url);
    FileError::Fetch {
        what: format!("fetching {}", clip(shown)),
        why,
        help: "check the connection and run again: what is there already is kept; or use \
               `--from packages`"
            .to_owned(),
    }
}

/// Scheme, host with port, and path of an http or https address.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    (!host.is_empty() && !host.contains('@')).then_some((scheme, host, path))
}

/// Where a redirect leads; `None` when that is not allowed.
fn resolve(from: &str, location: &str) -> Option<String> {
    let (scheme, host, _) = split(from)?;
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(format!("{scheme}://{host}{location}"));
    }
    let to = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        location.to_owned()
    };
    let (new_scheme, _, _) = split(&to)?;
    (new_scheme == scheme || new_scheme == "https").then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_keep_to_their_scheme_or_rise() {
        let ok = |from, to| resolve(from, to).unwrap();
        assert_eq!(ok("https://a/b?c", "/d"), "https://a/d");
        assert_eq!(ok("https://a/b", "//c/d"), "https://c/d");
        assert_eq!(ok("http://a/b", "https://c"), "https://c");
        assert_eq!(ok("http://a:1/b", "http://c:2/d"), "http://c:2/d");
        for to in
            ["http://a/b", "ftp://a/b", "file:///etc/passwd", "b", "", "https://x@a/", "https://"]
        {
            assert_eq!(resolve("https://a/b", to), None, "{to}");
        }
    }
}
