//! Prints what is at a URL, over HTTP/1.1 or 2: `fetch https://localhost/index.html`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use http_body_util::BodyExt;
use mimic_core::roles::UnixPath;
use mimic_core::{Context, Error};
use mimic_example_clients::{Options, Runtime, http, of};
use mimic_tokio::OverUnix;
use url::Url;

/// Prints what is at a URL, over HTTP/1.1 or 2
#[derive(Parser)]
struct Arguments {
    /// http://host[:port][/path] or https://…
    url: Url,
    /// Connect to this Unix socket, whatever the host; https has its TLS over it
    #[arg(long, value_name = "PATH")]
    unix: Option<String>,
    /// Speak HTTP/2 without asking the server
    #[arg(long)]
    http2: bool,
    /// Follow redirects from https to http
    #[arg(long)]
    insecure_redirects: bool,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { url, unix, http2, insecure_redirects, options } = Arguments::parse();
    options.run("http", async |mut ctx, runtime| {
        if let Some(path) = unix.map(UnixPath::new).transpose()? {
            ctx = ctx.install(OverUnix::all(path));
        }
        fetch(&ctx, runtime, url, http2, insecure_redirects).await
    })
}

async fn fetch(ctx: &Context, runtime: Runtime, mut url: Url, http2: bool, insecure: bool) -> Result<(), Error> {
    for _ in 0..=10 {
        let mut response = http::get(ctx, runtime, &url, http2).await?;
        if let Some(to) = http::redirect(&response, &url, insecure)? {
            url = to;
            continue;
        }
        while let Some(frame) = response.frame().await {
            let frame = frame.map_err(of("http")).map_err(|error| error.to_target(http::shown(&url)))?;
            std::io::stdout().write_all(frame.data_ref().map_or(b"", |data| data))?;
        }
        return http::succeeded(&response, &url);
    }
    Err(http::refused(&url, "more than 10 redirects"))
}
