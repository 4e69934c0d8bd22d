//! The command line.

use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::failure::Failure;
use crate::runtime::Runtime;
use crate::tls::{ClientTls, ServerTls};
use crate::trace::Trace;
use crate::{connect, demo, explain, ping, serve};

/// One application over whatever byte stream a URL names.
///
/// Without a command, this is the demo: it serves the line protocol over TCP, over
/// a Unix socket and over TLS, talks to itself over each, and prints how each URL
/// was resolved.
///
/// The line protocol: "ping" is answered "pong", "pong" is answered "ping", any
/// other line is answered by itself.
#[derive(Debug, Parser)]
// Line breaks as written: clap itself leaves long lines to the terminal.
#[command(verbatim_doc_comment, version, after_help = URLS, subcommand_help_heading = "Commands (none is the demo)")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the line protocol on every URL until SIGINT or SIGTERM
    ///
    /// Prints "listening on URL" for each address, once all of them listen. Port 0 lets
    /// the system choose one, which is then printed. The file of a Unix socket is made,
    /// and removed at the end. A socket file that a killed server left behind is
    /// replaced. One that is served, and a file that is no socket, is an error.
    #[command(verbatim_doc_comment, after_help = URLS)]
    Serve {
        /// Where to listen
        #[arg(value_name = "URL", required = true)]
        urls: Vec<String>,
        #[command(flatten)]
        tls: ServerTls,
    },
    /// Say the lines "ping", "pong" and "mimic", and print what was said and answered
    #[command(after_help = URLS)]
    Ping {
        /// Whom to talk to
        url: String,
        /// How long it may take in all [default: 30 for connecting, no limit after that]
        #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
        timeout: Option<Duration>,
        #[command(flatten)]
        trace: Trace,
        #[command(flatten)]
        tls: ClientTls,
    },
    /// Copy standard input to the peer and what it sends to standard output, both at once
    ///
    /// At the end of the input the peer is told so (a half-close), and may go on
    /// sending. Some servers, nginx among them, take that for a client that has gone,
    /// and cut their answer short: use --no-shutdown with those. It ends when the
    /// peer closes, even if there is more input, or when standard output is closed.
    #[command(verbatim_doc_comment, after_help = URLS)]
    Connect {
        /// Whom to connect to
        url: String,
        /// How long connecting may take [default: 30]
        #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
        timeout: Option<Duration>,
        /// First print to standard error what will be tried, and why not the rest
        #[arg(long)]
        explain: bool,
        /// Leave the connection open in both directions at the end of the input: only the peer ends
        /// it
        #[arg(long)]
        no_shutdown: bool,
        #[command(flatten)]
        trace: Trace,
        #[command(flatten)]
        tls: ClientTls,
    },
    /// Print what connecting to a URL would try, and why not the rest, without doing it
    #[command(after_help = URLS)]
    Explain {
        /// What to explain
        url: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// How to print an explanation.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A tree to read
    Text,
    /// A graph for Graphviz: pipe it into `dot -Tsvg`
    Dot,
}

const URLS: &str = "\
URLs:
  tcp://HOST:PORT      TCP, as in tcp://localhost:4000 or tcp://[::1]:4000
  unix:/PATH           a Unix socket; percent-encode what a URL cannot hold
  tls://HOST:PORT      TLS over TCP, with a certificate for HOST
  https://HOST[:PORT]  TLS over TCP, port 443 unless given
  http://HOST[:PORT]   TCP, port 80 unless given
  git://HOST[:PORT]    TCP, port 9418 unless given

Exit status:
  0  done
  1  could not connect or listen, or the connection broke: standard error says what was tried
  2  a malformed URL or option";

/// Reads the command line. Ends the process if it asks for help, or is not right (with status 2).
pub(crate) fn parse<R: Runtime>() -> Option<Command> {
    let matches = Cli::command().name(R::NAME).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command
}

pub(crate) async fn run<R: Runtime>(command: Option<Command>) -> Result<(), Failure> {
    let ctx = R::context();
    match command {
        None => demo::run::<R>(&ctx).await,
        Some(Command::Serve { urls, tls }) => serve::run::<R>(&tls.apply(ctx), &urls).await,
        Some(Command::Ping { url, timeout, trace, tls }) => {
            ping::run(&tls.apply(trace.apply(ctx)), &url, timeout).await
        }
        Some(Command::Connect { url, timeout, explain, no_shutdown, trace, tls }) => {
            connect::run(tls.apply(trace.apply(ctx)), &url, timeout, explain, no_shutdown).await
        }
        Some(Command::Explain { url, format }) => explain::run(&ctx, &url, format),
    }
}

/// A span of time: more than nothing, and not more than a clock can count.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) if !seconds.is_nan() => seconds,
        _ => return Err("it is not a number of seconds, as in 2 or 0.5"),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Err(_) if seconds > 0.0 => Err("these are more seconds than a clock can count"),
        _ => Err("it must be more than 0 seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_are_a_positive_number() {
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("1e9"), Ok(Duration::from_secs(1_000_000_000)));
        for wrong in ["", "soon", "2s", "0", "-0", "0.0", "-1", "1e-30", "nan", "inf", "-inf", "1e40"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
