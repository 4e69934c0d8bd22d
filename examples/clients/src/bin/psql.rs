//! Asks a PostgreSQL server and prints the rows: `psql postgres://me@localhost/db 'select 1'`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimic_core::keys::{Password, Path, User};
use mimic_core::{Context, Error};
use mimic_example_clients::{Options, Runtime, of, with_schemes};
use mimic_tokio::ToTokio;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// Asks a PostgreSQL server and prints the rows
#[derive(Parser)]
struct Arguments {
    /// postgres://[user[:password]@]host[/database], postgress://… (TLS from the first byte),
    /// tcp://…, tls://…, unix:/path
    url: String,
    /// What to ask
    query: String,
    /// The user, if the URL has none
    #[arg(long, default_value = "postgres")]
    user: String,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { url, query, user, options } = Arguments::parse();
    options.run("postgres", async |ctx, runtime| {
        let ctx = with_schemes(ctx, ("postgres", 5432), ("postgress", 5432)).with_url(&url)?;
        print!("{}", ask(&ctx, runtime, &user, &query).await?);
        Ok(())
    })
}

async fn ask(ctx: &Context, runtime: Runtime, user: &str, query: &str) -> Result<String, Error> {
    let mut config = Config::new();
    config.user(ctx.get(User).as_deref().unwrap_or(user));
    if let Some(password) = ctx.get(Password) {
        config.password(password.expose());
    }
    // The path of a Unix socket names no database.
    if let Some(path) = ctx.get(Path).filter(|path| path.len() > 1 && ctx.get(mimic_core::keys::Host).is_some()) {
        config.dbname(&path[1..]);
    }
    let stream = ToTokio::new(ctx.connect().await?);
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(of("postgres"))?;
    runtime.spawn(connection);
    let rows = client.simple_query(query).await.map_err(of("postgres"))?;
    let rows = rows.iter().filter_map(|row| if let SimpleQueryMessage::Row(row) = row { Some(row) } else { None });
    let cells = |row: &tokio_postgres::SimpleQueryRow| {
        (0..row.len()).map(|n| row.get(n).unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    Ok(rows.map(|row| cells(row).join("\t") + "\n").collect())
}
