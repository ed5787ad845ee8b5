use std::sync::OnceLock;

use super::rig::PASSWORD;
use super::server::Server;

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::mariadb)
}

/// This driver holds all rows before it gives the first.
pub(crate) fn connection(server: &Server) -> String {
    format!(
        "Driver={{MariaDB Unicode}};Server=127.0.0.1;Port={};Database=admin;UID=reader;PWD={PASSWORD};",
        server.port
    )
}
