//! The ways to reach one office, and what an office can change while it runs.

use std::sync::PoisonError;

use super::error::SimError;
use super::practice::Practice;
use super::server::Server;
use super::settings::{Permission, Settings, Throttle, Version, version};

/// How requests reach the office.
// apilocal, apiimplementation: who serves it, whether it is throttled, rows per page
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Through the vendor's cloud and the office's eConnector: throttled, 100 rows per page,
    /// 1000 with Enterprise.
    Remote,
    /// OpenDentalAPIService on the office server: no throttle, 1000 rows, 10,000 with Enterprise.
    Service,
    /// The desktop program while somebody is logged in: as Service.
    Local,
}

/// How one server feels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It answers.
    #[default]
    Up,
    /// It takes requests and answers none, until its health changes or it is stopped.
    Hanging,
    /// Remote only: the eConnector is off, so the relay answers 400 with an explanation.
    ConnectorOff,
}

/// What the office can change without starting over.
pub(crate) struct Live {
    permissions: Vec<Permission>,
    version: Version,
}

impl Live {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            permissions: settings.permissions.clone(),
            version: settings.version,
        }
    }
}

impl Practice {
    /// Serves the office in Remote mode on a free loopback port until the [`Server`] is dropped.
    ///
    /// # Errors
    /// [`SimError::Listen`] when no port can be opened.
    pub async fn serve(&self) -> Result<Server, SimError> {
        self.serve_as(Mode::Remote).await
    }

    /// Serves the same office in this mode on a port of its own. Any number of servers, of any
    /// modes, can run at once.
    ///
    /// # Errors
    /// [`SimError::Listen`] when no port can be opened.
    pub async fn serve_as(&self, mode: Mode) -> Result<Server, SimError> {
        Server::open(self.clone(), mode).await
    }

    /// Gives the customer key a permission, from the next request on.
    // apipermissions; securityperms follows
    pub fn grant(&self, permission: Permission) {
        let mut live = self.live();
        if !live.permissions.contains(&permission) {
            live.permissions.push(permission);
        }
    }

    /// Takes a permission away, from the next request on.
    pub fn revoke(&self, permission: Permission) {
        self.live().permissions.retain(|one| *one != permission);
    }

    /// The office updates its program (or goes back to an older one): methods, parameters,
    /// fields and the `ProgramVersion` preference follow.
    ///
    /// # Errors
    /// [`SimError::Setting`] when the version does not look like `25.3.1`.
    pub fn update_program(&self, to: &str) -> Result<(), SimError> {
        let parsed = version(to).ok_or(SimError::Setting("version must look like 25.3.1"))?;
        self.live().version = parsed;
        self.set_preference("ProgramVersion", &super::reference::four_parts(to));
        Ok(())
    }

    /// The settings as they stand for a request in this mode.
    pub(crate) fn settings_in(&self, mode: Mode) -> Settings {
        let mut settings = self.inner.settings.clone();
        {
            let live = self.live();
            settings.permissions.clone_from(&live.permissions);
            settings.version = live.version;
        }
        // apipermissions, Enterprise: larger pages in every mode
        let enterprise = settings.permissions.contains(&Permission::Enterprise);
        let vendors = match (mode, enterprise) {
            (Mode::Remote, false) => 100,
            (Mode::Remote, true) | (Mode::Service | Mode::Local, false) => 1000,
            (Mode::Service | Mode::Local, true) => 10_000,
        };
        let chosen = settings.page_caps.iter().find(|(one, _)| *one == mode);
        settings.page_cap = chosen.map_or(vendors, |(_, rows)| *rows);
        // apiimplementation, Throttling: only Remote
        if mode != Mode::Remote {
            settings.throttle = Throttle::None;
        }
        settings
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.inner
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
