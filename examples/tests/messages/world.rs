//! Offices with people to tell, a CRM, a provider of texts, and the program between them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odx_core::clock::{Clock as _, SystemClock};
use odx_core::outreach::Inbound;
use odx_crm::sim::{Crm, Texts};
use odx_opendental::sim::Practice;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const OFFICES: [&str; 3] = ["main-st", "elm-st", "oak-ave"];
const TOKENS: [&str; 3] = ["token-of-main", "token-of-elm", "token-of-oak"];
/// The path of the program's receiver.
pub const PATH: &str = "q7RbV2mXc90TkLpZq7RbV2mX";
/// The token of the CRM's own calls.
pub const WEBHOOK: &str = "webhook-token-3f9c1d77aa-0815";
/// Where the provider believes to call.
const URL: &str = "https://hooks.example";

pub struct World {
    pub practices: Vec<Practice>,
    _servers: Vec<odx_opendental::sim::Server>,
    _crm_server: odx_crm::sim::Server,
    pub texts: Texts,
    _texts_server: odx_crm::sim::Server,
    pub folder: tempfile::TempDir,
}

impl World {
    /// So many offices of so many patients. The first two send from the same service, the third from its own.
    pub async fn new(offices: usize, patients: usize, mode: &str) -> Self {
        let crm = Crm::with_tokens(&TOKENS[..offices]);
        let crm_server = crm.serve().await.unwrap();
        let texts = Texts::new().with_schemas(crate::schema::schemas());
        let texts_server = texts.serve().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = format!(
            "state = {:?}\npoll = \"200ms\"\nsweep = \"1h\"\nretry_max = \"300ms\"\n",
            folder.path().join("odx.sqlite").to_str().unwrap(),
        );
        let now = SystemClock
            .now()
            .with_timezone(&chrono_tz::America::New_York);
        let (mut practices, mut servers) = (Vec::new(), Vec::new());
        for (n, office) in OFFICES.iter().take(offices).enumerate() {
            let practice = Practice::builder(70 + n as u64)
                .with_patients(patients)
                .with_start(now.naive_local())
                .with_keys("dev", &format!("customer{n}key"))
                .build()
                .unwrap();
            let server = practice.serve().await.unwrap();
            let service = if n < 2 { "1" } else { "2" };
            write!(
                config,
                "[[office]]\nid = \"{office}\"\nname = \"{office} dental\"\ntime_zone = \"America/New_York\"\n\
                 [office.source]\nkind = \"opendental\"\nbase_urls = [{:?}]\ndeveloper_key = \"dev\"\n\
                 customer_key = \"customer{n}key\"\ninterval = \"0s\"\n\
                 [office.sink]\nkind = \"rest\"\nbase_url = {:?}\ntoken = {:?}\nwebhook_token = {WEBHOOK:?}\n\
                 [office.messages]\nmode = \"{mode}\"\npractice_phone = \"503-555-0100\"\n\
                 window = [\"00:00\", \"23:59\"]\nrecall_text_without_yes = true\nfirst_days = 0\nfloor = 100000\n\
                 [office.messages.texts]\nkind = \"twilio\"\naccount_sid = {:?}\napi_key_sid = {:?}\n\
                 api_key_secret = {:?}\nmessaging_service_sid = \"MG0000000000000000000000000000000{service}\"\n\
                 auth_token = {:?}\nbase_url = {:?}\ntimeout = \"1s\"\n",
                server.base_url(),
                crm_server.base_url().as_str(),
                TOKENS[n],
                Texts::ACCOUNT,
                Texts::KEY,
                Texts::SECRET,
                Texts::AUTH_TOKEN,
                texts_server.base_url().as_str(),
            )
            .unwrap();
            practices.push(practice);
            servers.push(server);
        }
        write!(
            config,
            "[receiver]\nlisten = \"127.0.0.1:0\"\npath = \"{PATH}\"\nurl = \"{URL}\"\n"
        )
        .unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self {
            practices,
            _servers: servers,
            _crm_server: crm_server,
            texts,
            _texts_server: texts_server,
            folder,
        }
    }

    /// Changes a line of the configuration.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let path = self.folder.path().join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(from));
        std::fs::write(path, config.replace(from, to)).unwrap();
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        Command::new(env!("CARGO_BIN_EXE_recall-sync"))
            .env("RUST_LOG", "trace")
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Runs the program to its own end: what it printed, without its log.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let from = self.log().len();
        let mut program = self.start(arguments);
        let began = Instant::now();
        while program.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(90), "it does not end");
            rest(Duration::from_millis(10)).await;
        }
        plain(&self.log().split_off(from))
    }

    /// What a command answers, beside whoever else runs.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let said = Command::new(env!("CARGO_BIN_EXE_recall-sync"))
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(0), "{errors}");
        String::from_utf8(said.stdout).unwrap()
    }

    /// Starts the program, and waits until its receiver listens.
    pub async fn up(&self) -> Up {
        let from = self.log().len();
        let mut up = Up {
            program: self.start(&["--follow"]),
            address: String::new(),
        };
        let began = Instant::now();
        loop {
            let log = self.log().split_off(from);
            if let Some((_, rest)) = log.split_once("listens on http://")
                && let Some((address, _)) = rest.split_once('/')
            {
                up.address = address.to_owned();
                return up;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{}", plain(&log));
            rest(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("odx.sqlite")
    }

    /// Stops that hold, as the sink that recorded them and the reason; each once.
    pub fn stops(&self) -> Vec<(String, String)> {
        let db = rusqlite::Connection::open(self.state()).unwrap();
        let mut query = db
            .prepare(
                "SELECT DISTINCT name, reason FROM suppression JOIN sink ON sink.id = suppression.sink \
                 WHERE lifted_at IS NULL ORDER BY 1, 2",
            )
            .unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Somebody texts the practice: the provider's call, as it comes.
    pub fn says(&self, office: &str, from: &str, words: &str) -> Inbound {
        let url = format!("{URL}/{PATH}/texts/{office}");
        self.texts.text_from(from, words, &url)
    }

    /// No name, number, word or key of anybody stands in what the program printed, at any level.
    pub fn nothing_leaked(&self) {
        let log = self.log();
        let keys = [
            Texts::SECRET,
            Texts::AUTH_TOKEN,
            WEBHOOK,
            PATH,
            "customer0key",
        ];
        let mut canaries: Vec<_> = keys.map(str::to_owned).to_vec();
        canaries.extend(TOKENS.map(str::to_owned));
        for practice in &self.practices {
            canaries.extend(practice.canaries());
            for row in practice.patients() {
                canaries.extend(Some(row.l_name).filter(|name| name.len() > 5));
                canaries.extend(Some(row.wireless_phone).filter(|number| number.len() > 9));
            }
        }
        for text in self.texts.texts() {
            canaries.extend([text.to, text.body]);
        }
        for canary in canaries {
            assert!(!log.contains(&canary), "the log shows {canary:?}");
        }
    }
}

/// What the program printed, without its log.
fn plain(text: &str) -> String {
    let logged = |line: &str| {
        [" TRACE ", "DEBUG ", " INFO ", " WARN "]
            .iter()
            .any(|level| line.contains(level))
    };
    text.lines()
        .filter(|line| !logged(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The program, listening.
pub struct Up {
    pub program: Child,
    pub address: String,
}

impl Up {
    /// A call with this path and these headers: how it is answered.
    pub async fn send(&self, head: &str, headers: &[(String, String)], body: &[u8]) -> u16 {
        let mut text = format!(
            "{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        text.push_str("\r\n");
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        // Whoever is refused early may hear of it before all is said.
        drop(stream.write_all(body).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).unwrap_or("0").parse().unwrap()
    }

    /// The provider's call, by the way that stands before the program.
    pub async fn post(&self, call: &Inbound) -> u16 {
        let path = call.url.strip_prefix(URL).unwrap();
        self.send(&format!("POST {path}"), &call.headers, call.body.expose())
            .await
    }

    /// Ctrl-C.
    pub async fn down(mut self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.program.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let began = Instant::now();
        while self.program.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(20) {
                self.program.kill().unwrap();
            }
            rest(Duration::from_millis(10)).await;
        }
    }
}

/// A test that fails leaves nobody behind.
impl Drop for Up {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

pub async fn rest(wait: Duration) {
    tokio::time::sleep(wait).await;
}
