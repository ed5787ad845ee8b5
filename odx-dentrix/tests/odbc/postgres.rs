use std::sync::OnceLock;

use super::rig::PASSWORD;
use super::server::Server;

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::postgres)
}

/// Rows as they come, instead of all of them in the driver.
pub(crate) fn connection(server: &Server) -> String {
    format!(
        "Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={};Database=dentrixsql;UID=reader;PWD={PASSWORD};\
         UseDeclareFetch=1;Fetch=1000;",
        server.port
    )
}
