// queuectl.rs: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
//
// Needs Rust 1.63 (edition 2021), a Unix and the spool, not the program queuectl:
//  1. check the id; done/ID.json or dead/ID.json is there: in use
//  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
//  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
//  4. fsync pending/: now the job is acknowledged
//  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
//
//     let ticket = enqueue(spool, "report-42", r#"{"command":"make report"}"#)?;
//     let ended = ticket.wait(Some(Duration::from_secs(60)))?;   // .done, .document
//
// As a module (`mod queuectl;`) it may stay as it is, or lose `run` and `main`.
// The members are text, in which the id is set: one of its own in there would be a
// second one, which the queue refuses.
// A ticket keeps the file open, for reading: so its inode number, which names the
// report, is not used again, and its link count tells when the queue has taken it in.
#![allow(dead_code)] // in a module nothing calls `main`, and perhaps not all the rest
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug)]
pub enum Error {
    Usage(String),
    Refused(String),
    NoSpool(PathBuf),
    Timeout(String),
    System(io::Error, PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(why) | Error::Refused(why) | Error::Timeout(why) => f.write_str(why),
            Error::NoSpool(path) => write!(f, "no spool at {}", path.display()),
            Error::System(error, path) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

#[derive(Debug)]
pub struct Ticket {
    spool: PathBuf,
    id: String,
    file: File,
}

#[derive(Debug)]
pub struct Ended {
    pub done: bool, // else dead
    pub document: Vec<u8>,
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::System(error, path.to_owned())
}

fn in_use(id: &str) -> Error {
    Error::Refused(format!("id \"{id}\" is in use"))
}

fn document(id: &str, members: &str) -> Result<String, Error> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if !(1..=128).contains(&id.len()) || !id.bytes().all(plain) || !id.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(Error::Usage(format!(
            "{id:?} is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first"
        )));
    }
    let rest = members.trim_start().strip_prefix('{');
    let rest = rest.ok_or_else(|| Error::Usage("the members must be a JSON object".into()))?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Ok(format!("{{\"id\":\"{id}\"{comma}{rest}"))
}

fn write_tmp(out: &mut File, text: &str) -> io::Result<()> {
    out.set_permissions(Permissions::from_mode(0o640))?; // whatever the umask: the worker may be of our group
    out.write_all(text.as_bytes())?;
    out.sync_all() // after which close(2) has nothing left to report; File drops its result
}

pub fn enqueue(spool: impl AsRef<Path>, id: &str, members: &str) -> Result<Ticket, Error> {
    let (spool, text) = (spool.as_ref(), document(id, members)?);
    let name = format!("{id}.json");
    if ["done", "dead"].iter().any(|state| spool.join(state).join(&name).symlink_metadata().is_ok()) {
        return Err(in_use(id));
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let tmp = spool.join("tmp").join(format!("rs-{}-{now}", process::id()));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&tmp);
    let mut out = made.map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::NoSpool(spool.to_owned()),
        _ => at(&tmp)(e),
    })?;
    let written = write_tmp(&mut out, &text);
    drop(out); // a file open for writing is not taken in
    let pending = spool.join("pending");
    let linked = written.and_then(|()| File::open(&tmp)).and_then(|file| {
        fs::hard_link(&tmp, pending.join(&name))?;
        Ok(file)
    });
    let removed = fs::remove_file(&tmp);
    let file =
        linked.map_err(|e| if e.kind() == ErrorKind::AlreadyExists { in_use(id) } else { at(&tmp)(e) })?;
    removed.map_err(at(&tmp))?;
    File::open(&pending).and_then(|folder| folder.sync_all()).map_err(at(&pending))?;
    Ok(Ticket { spool: spool.to_owned(), id: id.to_owned(), file })
}

// The queue's own report, one member a line: its last_error.
fn reason(report: &[u8]) -> String {
    let text = String::from_utf8_lossy(report);
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix("\"last_error\": \""));
    let line = found.unwrap_or(&text).trim_end_matches(',');
    line.strip_suffix('"').unwrap_or(line).replace("\\\"", "\"").replace("\\\\", "\\")
}

impl Ticket {
    fn look(&self) -> Result<Option<Ended>, Error> {
        let own = self.file.metadata().map_err(at(&self.spool))?;
        let mut stem = format!("{}.json", self.id);
        stem.truncate(80);
        let report = format!("rejected-{stem}-{:x}", own.ino());
        for (state, name) in [("dead", &report), ("done", &self.id), ("dead", &self.id)] {
            let path = self.spool.join(state).join(format!("{name}.json"));
            let mut found = match File::open(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(at(&path))?,
            };
            let mut document = Vec::new();
            found.read_to_end(&mut document).map_err(at(&path))?;
            if name == &report {
                return Err(Error::Refused(reason(&document)));
            }
            // Not taken in yet: then what lies there is another's, or ours moved by hand.
            if own.nlink() == 0 || own.ino() == found.metadata().map_err(at(&path))?.ino() {
                return Ok(Some(Ended { done: state == "done", document }));
            }
        }
        Ok(None)
    }

    pub fn wait(&self, timeout: Option<Duration>) -> Result<Ended, Error> {
        let (start, mut nap) = (Instant::now(), Duration::from_millis(10));
        loop {
            if let Some(ended) = self.look()? {
                return Ok(ended);
            }
            let left = timeout.map_or(nap, |t| t.saturating_sub(start.elapsed()));
            if left.is_zero() {
                let seconds = timeout.unwrap_or_default().as_secs_f64();
                return Err(Error::Timeout(format!("job \"{}\" has not ended after {seconds} s", self.id)));
            }
            std::thread::sleep(nap.min(left));
            nap = (2 * nap).min(Duration::from_millis(250));
        }
    }
}

fn run(words: &[String]) -> Result<bool, Error> {
    let usage = || Error::Usage("usage: queuectl SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]".into());
    let (words, timeout) = match words {
        [spool, id, members] => ([spool, id, members], None),
        [spool, id, members, t] => ([spool, id, members], Some(t.parse::<u32>().map_err(|_| usage())?)),
        _ => return Err(usage()),
    };
    let ticket = enqueue(words[0], words[1], words[2])?;
    let ended = ticket.wait(timeout.map(|t| Duration::from_secs(t.into())))?;
    let mut out = io::stdout();
    out.write_all(&ended.document).and_then(|()| out.flush()).map_err(at(Path::new("stdout")))?;
    Ok(ended.done)
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
    let error = match run(&words) {
        Ok(done) => return ExitCode::from(u8::from(!done)),
        Err(error) => error,
    };
    eprintln!("queuectl.rs: {error}");
    ExitCode::from(match error {
        Error::Usage(_) => 2,
        Error::Refused(_) => 3,
        Error::Timeout(_) => 124,
        Error::NoSpool(_) | Error::System(..) => 1,
    })
}
