//! Database servers of our own, on loopback, with a directory that goes with them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::rig::fixture;

/// A server. Whoever holds its standard input holds it: it ends with the test
/// program, however that ends.
pub(crate) struct Server {
    _shell: Child,
    pid: String,
    pub(crate) port: u16,
}

/// Debian keeps servers where only root looks.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/15/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: run scripts/setup, which installs MariaDB and PostgreSQL")
        })
}

/// Neither server wants to be root.
fn unprivileged(program: &Path) -> Command {
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program);
    command
}

fn root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn ran(command: &mut Command) {
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}: {said}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A directory that the server may write to, and that is taken away with it.
fn directory() -> PathBuf {
    let dir = tempfile::tempdir().unwrap().keep();
    if root() {
        std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
    }
    dir
}

/// Functions that write, and a column whose name not every encoding can spell.
const WRITES: &str = "CREATE FUNCTION sp_test_write() RETURNS TABLE (last_name VARCHAR) LANGUAGE SQL AS \
    $$ DELETE FROM t_patient RETURNING last_name $$; \
    CREATE VIEW v_accent AS SELECT 'Marchetti' AS \"pr\u{e9}nom\"; GRANT SELECT ON v_accent TO reader";

impl Server {
    fn start(dir: PathBuf, port: u16, server: &Command, ready: impl Fn() -> bool) -> Self {
        const HELD: &str = r#"dir=$1; shift; "$@" & echo $! > "$dir/held"; cat > /dev/null; kill -9 $!; wait; rm -rf "$dir""#;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", HELD, "held"])
            .arg(&dir)
            .arg(server.get_program())
            .args(server.get_args());
        let mut shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !ready() {
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "the server does not start"
            );
            assert!(shell.try_wait().unwrap().is_none(), "the server ended");
            std::thread::sleep(Duration::from_millis(100));
        }
        let pid = std::fs::read_to_string(dir.join("held"))
            .unwrap()
            .trim()
            .to_owned();
        Self {
            _shell: shell,
            pid,
            port,
        }
    }

    /// Ends it at once, as when its machine is switched off.
    pub(crate) fn kill(&self, signal: &str) {
        ran(Command::new("kill").args([signal, &self.pid]));
    }

    pub(crate) fn mariadb() -> Self {
        let (dir, port) = (directory(), free_port());
        let (data, socket) = (dir.join("data"), dir.join("s"));
        let datadir = format!("--datadir={}", data.display());
        ran(unprivileged(&program("mariadb-install-db"))
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--skip-name-resolve", &datadir]));
        let mut server = unprivileged(&program("mariadbd"));
        server
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-log-bin",
                "--skip-name-resolve",
                &datadir,
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", dir.join("pid").display()))
            .args([
                "--innodb-buffer-pool-size=48M",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=0",
            ])
            .args([
                "--key-buffer-size=1M",
                "--max-connections=20",
                "--character-set-server=utf8mb4",
            ]);
        let client = move || {
            let mut client = Command::new(program("mariadb"));
            client.args([
                "--no-defaults",
                "--default-character-set=utf8mb4",
                "-u",
                "root",
            ]);
            client.arg(format!("--socket={}", socket.display()));
            client
        };
        let ready = || {
            client()
                .args(["-e", "SELECT 1"])
                .output()
                .unwrap()
                .status
                .success()
        };
        let server = Self::start(dir, port, &server, ready);
        ran(client().args(["-e", "CREATE DATABASE admin CHARACTER SET utf8mb4"]));
        for name in ["schema.sql", "procs_mariadb.sql"] {
            ran(client()
                .arg("admin")
                .stdin(std::fs::File::open(fixture(name)).unwrap()));
        }
        let password = super::rig::PASSWORD;
        let many = super::memory::COLUMNS.replace("{n}", "seq");
        ran(client().args(["admin", "-e"]).arg(format!(
            "CREATE TABLE v_many AS SELECT {many} FROM seq_1_to_100000; \
             CREATE PROCEDURE sp_test_nothing() DO 1; \
             CREATE PROCEDURE sp_test_write() SQL SECURITY INVOKER DELETE FROM t_patient; \
             CREATE USER 'reader'@'%' IDENTIFIED BY '{password}'; GRANT SELECT, EXECUTE ON admin.* TO 'reader'@'%'"
        )));
        server
    }

    pub(crate) fn postgres() -> Self {
        let (dir, port) = (directory(), free_port());
        let data = dir.join("data");
        ran(unprivileged(&program("initdb"))
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "-U",
                "postgres",
            ])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "-D"])
            .arg(&data));
        let mut server = unprivileged(&program("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(&dir);
        server.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=32MB",
        ]);
        let place = dir.clone();
        let client = move |database: &str| {
            let mut client = Command::new(program("psql"));
            client.args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-p",
                &port.to_string(),
                "-d",
                database,
            ]);
            client
                .arg("-h")
                .arg(&place)
                .env("PGOPTIONS", "-c search_path=admin");
            client
        };
        let ready = || {
            client("postgres")
                .args(["-c", "SELECT 1"])
                .output()
                .unwrap()
                .status
                .success()
        };
        let server = Self::start(dir, port, &server, ready);
        for name in ["dentrixsql", "tutorsql"] {
            ran(client("postgres").args(["-c", &format!("CREATE DATABASE {name}")]));
        }
        let password = super::rig::PASSWORD;
        let many = super::memory::COLUMNS.replace("{n}", "n");
        ran(client("dentrixsql")
            .args(["-c", "CREATE SCHEMA admin", "-f"])
            .arg(fixture("schema.sql"))
            .arg("-f")
            .arg(fixture("procs_postgresql.sql"))
            .args(["-c", &format!("CREATE TABLE v_many AS SELECT {many} FROM generate_series(1, 100000) n")])
            .args(["-c", &format!("CREATE ROLE reader LOGIN PASSWORD '{password}'")])
            .args(["-c", "GRANT USAGE ON SCHEMA admin TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA admin TO reader"])
            .args(["-c", "REVOKE SELECT ON v_notes FROM reader"])
            .args(["-c", WRITES, "-c", "ALTER ROLE reader SET search_path = admin"]));
        server
    }
}
