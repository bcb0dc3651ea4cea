//! Downloads from a loopback server that cuts, lies and redirects.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::*;

/// Answers requests one by one; the closure sees the request and writes the whole answer.
struct Server {
    endpoint: String,
    /// Request lines, each with its `range` and `authorization` headers.
    log: Arc<Mutex<Vec<String>>>,
}

type Answer = dyn Fn(&str, &str, u64) -> Vec<u8> + Send;

impl Server {
    /// `answer(method, path, from)`.
    fn start(answer: Box<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &*answer, &seen);
            }
        });
        Server { endpoint, log }
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let (mut from, mut note) = (0, first.clone());
    for line in lines.take_while(|l| !l.is_empty()) {
        let lower = line.to_ascii_lowercase();
        if let Some(range) = lower.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap();
            note += &format!(" from {from}");
        }
        if lower.starts_with("authorization") {
            note += " with token";
        }
    }
    log.lock().unwrap().push(note);
    let mut parts = first.split(' ');
    let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
    let _ = stream.write_all(&answer(method, path, from));
}

fn reply(status: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    for (name, value) in headers {
        out += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(n, _)| *n == "content-length") {
        out += &format!("content-length: {}\r\n", body.len());
    }
    [out.as_bytes(), b"\r\n", body].concat()
}

fn weights() -> Vec<u8> {
    (0..100_000u32).flat_map(|i| i.to_le_bytes()).collect()
}

const COMMIT: &str = "c0ffee00";

/// A hub with `org/name`: a small config, weights of 400 kB, and things nobody wants. `cut` bytes
/// are sent of the weights per request.
fn answer(cut: usize) -> impl Fn(&str, &str, u64) -> Vec<u8> + Send {
    move |method, path, from| {
        let body = match path {
            "/api/models/org/name/revision/main" => {
                let files =
                    ["config.json", "model.safetensors", "1_Pooling/config.json", "onnx/x.onnx"];
                let siblings: Vec<_> =
                    files.iter().map(|f| serde_json::json!({"rfilename": f})).collect();
                serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string().into_bytes()
            }
            "/org/name/resolve/c0ffee00/config.json" => b"{\"a\":1}".to_vec(),
            "/org/name/resolve/c0ffee00/1_Pooling/config.json" => b"{}".to_vec(),
            "/org/name/resolve/c0ffee00/model.safetensors" if method == "HEAD" => {
                let headers = [
                    ("x-linked-etag", format!("\"{}\"", hash::sha256(&weights()))),
                    ("x-linked-size", weights().len().to_string()),
                    ("location", "https://cdn.invalid/secret?token=1".to_owned()),
                ];
                return reply("302 Found", &headers, b"");
            }
            "/org/name/resolve/c0ffee00/model.safetensors" => weights(),
            _ => return reply("404 Not Found", &[], b""),
        };
        if method == "HEAD" {
            let headers = [
                ("etag", format!("W/\"{}\"", &hash::sha256(&body)[..40])),
                ("content-length", body.len().to_string()),
            ];
            return reply("200 OK", &headers, b"");
        }
        let rest = &body[from as usize..];
        let headers = [
            ("content-length", rest.len().to_string()),
            ("content-range", format!("bytes {from}-{}/{}", body.len() - 1, body.len())),
        ];
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        reply(status, &headers, &rest[..rest.len().min(cut)])
    }
}

fn here(server: &Server, dir: &Path) -> Locations {
    let hub = dir.as_os_str().to_owned();
    let endpoint = OsString::from(&server.endpoint);
    Locations::from_vars(
        &|name| match name {
            "HF_HUB_CACHE" => Some(hub.clone()),
            "HF_ENDPOINT" => Some(endpoint.clone()),
            "HF_TOKEN" => Some("secret".into()),
            _ => None,
        },
        Some(dir.to_owned()),
    )
}

fn fetch(locations: &Locations) -> Result<PathBuf, FileError> {
    pull("org/name", "main", locations, &is_useful, &mut |_| {})
}

#[test]
fn a_model_arrives_through_cut_connections() {
    let server = Server::start(Box::new(answer(150_000)));
    let dir = tempfile::tempdir().unwrap();
    let here = here(&server, dir.path());
    let mut seen = Vec::new();
    let folder = pull("org/name", "main", &here, &is_useful, &mut |p: Progress<'_>| {
        if p.file == "model.safetensors" {
            seen.push((p.done, p.total));
        }
    })
    .unwrap();
    assert_eq!(here.snapshot("org/name", "main"), Some(folder.clone()));
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(fs::read(folder.join("1_Pooling/config.json")).unwrap(), b"{}");
    assert!(!folder.join("onnx").exists());
    assert_eq!(seen.last(), Some(&(400_000, Some(400_000))));
    assert!(seen.is_sorted());
    let log = server.log();
    let resumed = log.iter().filter(|l| l.contains("from ")).count();
    assert!(resumed >= 2, "{log:?}");
    assert!(log.iter().all(|l| l.ends_with("with token")), "{log:?}");
    let blobs: Vec<_> = fs::read_dir(dir.path().join("models--org--name/blobs")).unwrap().collect();
    assert_eq!(blobs.len(), 3, "nothing incomplete is left: {blobs:?}");
    #[cfg(unix)]
    assert!(fs::symlink_metadata(folder.join("config.json")).unwrap().is_symlink());

    // A second pull asks only what the branch is.
    fetch(&here).unwrap();
    assert_eq!(server.log().len(), log.len() + 1);

    // Without the network, and without links.
    let offline = Locations { offline: true, ..here.clone() };
    assert_eq!(fetch(&offline).unwrap(), folder);
    let other = tempfile::tempdir().unwrap();
    let copies = Locations { symlinks: false, hub: other.path().to_owned(), ..here };
    let folder = fetch(&copies).unwrap();
    assert!(fs::symlink_metadata(folder.join("config.json")).unwrap().is_file());
}

#[test]
fn an_interrupted_download_goes_on() {
    let server = Server::start(Box::new(answer(usize::MAX)));
    let dir = tempfile::tempdir().unwrap();
    let blobs = dir.path().join("models--org--name/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let incomplete = blobs.join(format!("{}.incomplete", hash::sha256(&weights())));
    fs::write(&incomplete, &weights()[..123_456]).unwrap();
    let folder = fetch(&here(&server, dir.path())).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert!(server.log().iter().any(|l| l.contains("from 123456")), "{:?}", server.log());
}

#[test]
fn wrong_bytes_are_refused_and_not_kept() {
    let good = answer(usize::MAX);
    let server = Server::start(Box::new(move |method, path, from| {
        let mut out = good(method, path, from);
        if method == "GET" && path.ends_with("model.safetensors") {
            *out.last_mut().unwrap() ^= 1;
        }
        out
    }));
    let dir = tempfile::tempdir().unwrap();
    let e = fetch(&here(&server, dir.path())).unwrap_err();
    assert!(matches!(&e, FileError::Checksum { file, .. } if file == "model.safetensors"), "{e}");
    let left: Vec<String> = fs::read_dir(dir.path().join("models--org--name/blobs"))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.len() == 64 || name.ends_with("incomplete"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!dir.path().join("models--org--name/refs").exists());
}

#[test]
fn redirects_lead_nowhere_dangerous() {
    for target in ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher:x"] {
        let good = answer(usize::MAX);
        let server = Server::start(Box::new(move |method, path, from| {
            if method == "GET" && path.ends_with("model.safetensors") {
                return reply("302 Found", &[("location", target.to_owned())], b"");
            }
            good(method, path, from)
        }));
        let dir = tempfile::tempdir().unwrap();
        let e = fetch(&here(&server, dir.path())).unwrap_err().to_string();
        assert!(e.contains(target) && e.contains("refused"), "{e}");
    }
}

#[test]
fn the_token_stays_with_the_hub() {
    let good = answer(usize::MAX);
    let elsewhere = Server::start(Box::new(|_, _, _| reply("200 OK", &[], &weights())));
    let target = format!("{}/blob?signature=1", elsewhere.endpoint);
    let server = Server::start(Box::new(move |method, path, from| {
        if method == "GET" && path.ends_with("model.safetensors") {
            return reply("302 Found", &[("location", target.clone())], b"");
        }
        good(method, path, from)
    }));
    let dir = tempfile::tempdir().unwrap();
    fetch(&here(&server, dir.path())).unwrap();
    assert_eq!(elsewhere.log(), ["GET /blob?signature=1 HTTP/1.1"]);
}

#[test]
fn refusals_say_what_to_do() {
    for (status, words) in [
        ("404 Not Found", "has no org/name at revision main"),
        ("401 Unauthorized", "HF_TOKEN"),
        ("429 Too Many Requests", "wait"),
        ("500 Oops", "answers 500"),
    ] {
        let server = Server::start(Box::new(move |_, _, _| reply(status, &[], b"")));
        let dir = tempfile::tempdir().unwrap();
        let e = fetch(&here(&server, dir.path())).unwrap_err().to_string();
        assert!(e.contains(words) && !e.contains("secret"), "{e}");
    }
    for info in [
        r#"{"sha":"../../x","siblings":[]}"#,
        r#"{"sha":"abc","siblings":[{"rfilename":"../../evil"}]}"#,
        "<html>",
    ] {
        let server = Server::start(Box::new(move |_, _, _| reply("200 OK", &[], info.as_bytes())));
        let dir = tempfile::tempdir().unwrap();
        assert!(
            matches!(fetch(&here(&server, dir.path())), Err(FileError::Fetch { .. })),
            "{info}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{info}");
    }
    let server = Server::start(Box::new(|_, _, _| reply("200 OK", &[], b"")));
    let dir = tempfile::tempdir().unwrap();
    let here = here(&server, dir.path());
    let e = pull("../x", "main", &here, &is_useful, &mut |_| {}).unwrap_err().to_string();
    assert!(e.contains("org/name"), "{e}");
    let offline = Locations { offline: true, ..here };
    let e = fetch(&offline).unwrap_err().to_string();
    assert!(e.contains("m2 pull org/name"), "{e}");
}

#[test]
fn useful_files_are_few() {
    for yes in
        ["config.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/model.safetensors"]
    {
        assert!(is_useful(yes), "{yes}");
    }
    for no in [
        "pytorch_model.bin",
        "onnx/model.onnx",
        "README.md",
        "openvino/config.json",
        "a/b/config.json",
    ] {
        assert!(!is_useful(no), "{no}");
    }
    assert_eq!(path("a b/ü.json"), "a%20b/%C3%BC.json");
    assert_eq!(segment("refs/pr/1"), "refs%2Fpr%2F1");
}
