//! Asks a gRPC server for its health: `grpc https://localhost:50051`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimic_core::keys::Alpn;
use mimic_core::{Context, Error};
use mimic_example_clients::{CommonOptions, Runtime, of};
use mimic_tokio::Connector;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Asks a gRPC server for its health
#[derive(Parser)]
struct Arguments {
    /// http://host:port or https://…
    url: String,
    /// The service to ask for; without it, the server as a whole
    #[arg(default_value = "")]
    service: String,
    #[command(flatten)]
    options: CommonOptions,
}

fn main() -> ExitCode {
    let Arguments { url, service, options } = Arguments::parse();
    options.run_on(Runtime::Tokio, "grpc", async |ctx, _| {
        println!("{}", check(ctx, url, service).await?);
        Ok(())
    })
}

async fn check(ctx: Context, url: String, service: String) -> Result<&'static str, Error> {
    let connector = Connector::new(ctx.with(Alpn, vec![b"h2".to_vec()]));
    let endpoint = Endpoint::from_shared(url).map_err(of("grpc"))?;
    let channel = endpoint.connect_with_connector(connector).await.map_err(of("grpc"))?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service }).await.map_err(of("grpc"))?;
    Ok(answer.into_inner().status().as_str_name())
}
