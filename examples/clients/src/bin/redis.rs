//! Sends one command to a Redis server and prints the answer: `redis redis://localhost PING`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimic_core::keys::{Password, User};
use mimic_core::{Context, Error};
use mimic_example_clients::{Options, Runtime, of, with_schemes};
use mimic_tokio::ToTokio;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};

/// Sends one command to a Redis server and prints the answer
#[derive(Parser)]
struct Arguments {
    /// redis://[user][:password@]host, rediss://…, tcp://…, tls://…, unix:/path
    url: String,
    /// The command and its arguments
    #[arg(required = true)]
    command: Vec<String>,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { url, command, options } = Arguments::parse();
    options.run("redis", async |ctx, runtime| {
        let ctx = with_schemes(ctx, ("redis", 6379), ("rediss", 6380)).with_url(&url)?;
        println!("{:?}", send(&ctx, runtime, &command).await?);
        Ok(())
    })
}

async fn send(ctx: &Context, runtime: Runtime, command: &[String]) -> Result<Value, Error> {
    let mut login = RedisConnectionInfo::default();
    if let Some(password) = ctx.get(Password) {
        login = login.set_password(password.expose());
    }
    if let Some(user) = ctx.get(User) {
        login = login.set_username(&*user);
    }
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let stream = ToTokio::new(ctx.connect().await?);
    let (mut connection, driver) =
        MultiplexedConnection::new_with_config(&login, stream, config).await.map_err(of("redis"))?;
    runtime.spawn(driver);
    let mut request = redis::cmd(&command[0]);
    request.arg(&command[1..]).query_async(&mut connection).await.map_err(of("redis"))
}
