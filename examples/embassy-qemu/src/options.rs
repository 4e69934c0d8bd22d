//! The command line of the firmware:
//! `[--ca PEM] [--timeout SECONDS] [--memory] [--heap BYTES] [--time SECONDS] URL`, as the hosted
//! binaries' `ping` takes it, but for the last three.

use core::fmt;
use core::time::Duration;

/// What the command line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whom to talk to.
    pub url: &'a str,
    /// The file with the authorities to trust.
    pub ca: Option<&'a str>,
    /// How long it may take in all.
    pub timeout: Option<Duration>,
    /// Whether to say at the end how much memory was used.
    pub memory: bool,
    /// How many bytes of the heap there are, if not all.
    pub heap: Option<usize>,
    /// By what clock certificates are judged, in seconds since 1970, if not by the machine's. 0 is
    /// a clock that nobody set.
    pub time: Option<u32>,
}

/// What is wrong with the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse<'a> {
    /// There is no such option.
    Unknown(&'a str),
    /// An option lacks its value, or it is not one.
    Value(&'a str),
    /// It takes one URL, and there is none or there are more.
    Url,
}

impl fmt::Display for Misuse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option {option}"),
            Self::Value(option) => write!(f, "{option} lacks a value, or it is not a right one"),
            Self::Url => f.write_str("it takes one URL"),
        }?;
        f.write_str("; usage: [--ca PEM] [--timeout SECONDS] [--memory] [--heap BYTES] [--time SECONDS] URL")
    }
}

impl<'a> Options<'a> {
    /// Reads a command line whose arguments are each ended by a line feed: QEMU joins several by
    /// spaces, and a space may be in one.
    ///
    /// # Errors
    /// If it is not the command line that the usage shows.
    pub fn parse(line: &'a str) -> Result<Self, Misuse<'a>> {
        let (mut url, mut ca, mut timeout, mut memory, mut heap, mut time) = (None, None, None, false, None, None);
        let mut arguments = line.strip_suffix('\n').unwrap_or(line).split('\n');
        while let Some(argument) = arguments.next() {
            match argument {
                "--ca" => ca = Some(arguments.next().ok_or(Misuse::Value(argument))?),
                "--timeout" => {
                    timeout = Some(arguments.next().and_then(seconds).ok_or(Misuse::Value(argument))?);
                }
                "--memory" => memory = true,
                "--heap" => heap = Some(arguments.next().and_then(number).ok_or(Misuse::Value(argument))?),
                "--time" => time = Some(arguments.next().and_then(number).ok_or(Misuse::Value(argument))?),
                option if option.starts_with("--") => return Err(Misuse::Unknown(option)),
                _ if url.is_some() => return Err(Misuse::Url),
                argument => url = Some(argument),
            }
        }
        Ok(Self { url: url.ok_or(Misuse::Url)?, ca, timeout, memory, heap, time })
    }
}

fn number<T: TryFrom<u32>>(text: &str) -> Option<T> {
    text.parse::<u32>().ok()?.try_into().ok()
}

/// A span of time, with at most nine digits behind the point. Floating point would be 10 KiB of
/// flash.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u32.checked_pow(9_u32.checked_sub(fraction.len().try_into().ok()?)?)?;
    let duration = Duration::new(whole.parse().ok()?, fraction.parse::<u32>().ok()?.checked_mul(scale)?);
    (!duration.is_zero()).then_some(duration)
}
