//! The program, and how to talk to it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use odx_core::SourceId;
use odx_core::store::{SqliteStore, StateStore as _};
use odx_opendental::SYSTEM;
use tempfile::TempDir;

pub(crate) const PATH: &str = "q7RbV2mXc90TkLpZ";
pub(crate) const KEY: &str = "TheOfficeKey4711";

/// Where the program lives: its settings and its state.
pub(crate) struct Home(TempDir);

/// The program while it runs. It ends with it.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let config = format!(
            "listen = \"127.0.0.1:0\"\nstate = {:?}\npath = {PATH:?}\n\
             [[office]]\nid = \"main-st\"\ncustomer_key = {KEY:?}\n",
            home.state()
        );
        std::fs::write(home.0.path().join("config.toml"), config).unwrap();
        home
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("odx.sqlite")
    }

    pub(crate) fn start(&self, failpoints: &str) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_events-receiver"))
            .arg("--config")
            .arg(self.0.path().join("config.toml"))
            .env("FAILPOINTS", failpoints)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap_or_default();
        let address = address.split('/').next().unwrap_or_default();
        let address = address
            .parse()
            .unwrap_or_else(|_| panic!("it says no address: {line}"));
        Program { address, child }
    }

    /// What is in the inbox, once nobody has the state open.
    pub(crate) fn stored(&self) -> Vec<String> {
        let store = SqliteStore::open(self.state()).unwrap();
        let source = SourceId::new(SYSTEM, "main-st").unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let inbox = runtime.block_on(store.inbox(&source, usize::MAX)).unwrap();
        let text = |one: &odx_core::push::Delivery| String::from_utf8(one.body().expose().clone());
        inbox.iter().map(|one| text(one).unwrap()).collect()
    }
}

impl Program {
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A figure of its memory, in KiB.
    pub(crate) fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The head of a delivery with these lines besides.
pub(crate) fn head(lines: &str) -> String {
    format!(
        "POST /opendental/{PATH}/ HTTP/1.1\r\nhost: a\r\nevent-type: WatchTable: Appointment\r\n{lines}\r\n\r\n"
    )
}

/// A delivery with a good key.
pub(crate) fn delivery(body: &str) -> String {
    let length = body.len();
    head(&format!("authorization: {KEY}\r\ncontent-length: {length}")) + body
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// The status of the next answer. Every answer here has an empty body.
pub(crate) fn status(stream: &mut TcpStream) -> io::Result<u16> {
    let mut seen = Vec::new();
    let mut buffer = [0; 512];
    while !seen.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        seen.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&seen);
    let status = text.split(' ').nth(1).and_then(|text| text.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(crate) fn ask(stream: &mut TcpStream, text: &str) -> io::Result<u16> {
    stream.write_all(text.as_bytes())?;
    status(stream)
}
