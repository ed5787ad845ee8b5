//! A MariaDB of our own: a new data directory, a socket in it and no network.
//! It ends with the last test that uses it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};

pub(crate) struct Server {
    child: Child,
    databases: AtomicU32,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing worth a clean end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The one that runs, or a new one.
pub(crate) fn server() -> Arc<Server> {
    static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *running = Arc::downgrade(&server);
        server
    })
}

/// Debian keeps the server where only root looks.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run scripts/setup, which installs MariaDB"))
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let user = (dir.path().metadata().unwrap().uid() == 0).then_some("--user=root");
        let datadir = format!("--datadir={}", data.display());
        let made = Command::new(program("mariadb-install-db"))
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve", &datadir])
            .args(user)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "mariadb-install-db: {said}");
        let mut child = Command::new(program("mariadbd"))
            .args([
                "--no-defaults",
                "--skip-networking",
                "--skip-log-bin",
                &datadir,
            ])
            .args(user)
            .arg(format!("--socket={}", socket(dir.path()).display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .args([
                "--innodb-buffer-pool-size=48M",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .args([
                "--innodb-doublewrite=0",
                "--key-buffer-size=1M",
                "--max-connections=20",
            ])
            // What old servers cut at. MariaDB's own default would hide a cut.
            .args(["--group-concat-max-len=1024", "--default-time-zone=+00:00"])
            .arg("--character-set-server=utf8mb4")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let server = Self {
            child,
            databases: AtomicU32::new(0),
            dir,
        };
        let mut said = String::new();
        let mut lines = stderr.lines();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("ready for connections") => break,
                Some(Ok(line)) => said += &format!("{line}\n"),
                _ => panic!("mariadbd ended before it was ready:\n{said}"),
            }
        }
        // What it says later must go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        server
    }

    /// A connection to a database of its own, which is empty.
    pub(crate) fn database(&self) -> Conn {
        let name = format!("office{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let opts = OptsBuilder::new()
            .socket(Some(socket(self.dir.path()).display().to_string()))
            .user(Some("root"));
        let mut conn = Conn::new(opts).unwrap();
        conn.query_drop(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))
            .unwrap();
        conn.query_drop(format!("USE {name}")).unwrap();
        conn
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("s")
}
