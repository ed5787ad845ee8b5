use std::sync::OnceLock;

use super::rig::PASSWORD;
use super::server::Server;

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::mariadb)
}

/// Rows as they come, instead of all of them in the driver.
pub(crate) fn connection(server: &Server) -> String {
    format!(
        "Driver={{MariaDB Unicode}};Server=127.0.0.1;Port={};Database=admin;UID=reader;PWD={PASSWORD};FORWARDONLY=1;NO_CACHE=1;",
        server.port
    )
}
