//! Semihosting: what the board asks of the machine that runs it (here QEMU), by a breakpoint
//! instruction.
//!
//! The command line, standard output and error, files, the time of day, the exit status.

use core::fmt;

use cortex_m_semihosting::nr;

/// As `SYS_EXIT`, with a status (Semihosting for AArch32, "SYS_EXIT_EXTENDED").
const EXIT_EXTENDED: usize = 0x20;
/// `ADP_Stopped_ApplicationExit`.
const APPLICATION_EXIT: usize = 0x2_0026;

/// How a file is opened: the numbers are those of the ISO C modes in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Mode {
    Read = 1,
    Write = 4,
    Append = 8,
}

/// The machine did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine that runs the firmware refused it")
    }
}

impl core::error::Error for Refused {}

fn call<const N: usize>(number: usize, arguments: [usize; N]) -> usize {
    // SAFETY: the numbers are those of the specification, each is called below with the arguments
    // that it takes, and what these point to is borrowed until the call returns. The debugger,
    // which is QEMU, is there: without one the breakpoint is a fault, which ends in the handler.
    unsafe { cortex_m_semihosting::syscall(number, &arguments) }
}

/// The command line: the arguments that QEMU was given, joined by spaces.
///
/// # Errors
/// If it is longer than `buffer`, or not UTF-8.
pub fn command_line(buffer: &mut [u8]) -> Result<&str, Refused> {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: as above; the block is written to as well, so it is passed by its address.
    let result = unsafe { cortex_m_semihosting::syscall1(nr::GET_CMDLINE, block.as_mut_ptr() as usize) };
    // It was written behind the compiler's back.
    // SAFETY: `block` is a live array of words.
    let length = unsafe { core::ptr::read_volatile(&raw const block[1]) };
    if result != 0 {
        return Err(Refused);
    }
    let line = buffer.get(..length).ok_or(Refused)?;
    core::str::from_utf8(line).map_err(|_| Refused)
}

/// Seconds since 1970.
#[must_use]
pub fn seconds_since_epoch() -> u32 {
    // Words are 32 bits here: it serves until 2106.
    call(nr::TIME, [0]) as u32
}

/// Ends QEMU with this exit status.
pub fn exit(status: u8) -> ! {
    loop {
        call(EXIT_EXTENDED, [APPLICATION_EXIT, usize::from(status)]);
    }
}

/// An open file of the machine.
#[derive(Debug)]
pub struct File {
    handle: usize,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// If the machine does not let it be read, or the path is longer than 255 bytes.
    pub fn open(path: &str) -> Result<Self, Refused> {
        Self::open_in(path, Mode::Read)
    }

    fn open_in(path: &str, mode: Mode) -> Result<Self, Refused> {
        let mut terminated = [0_u8; 256];
        let room = terminated.get_mut(..path.len()).ok_or(Refused)?;
        room.copy_from_slice(path.as_bytes());
        if path.len() == terminated.len() || path.contains('\0') {
            return Err(Refused);
        }
        match call(nr::OPEN, [terminated.as_ptr() as usize, mode as usize, path.len()]) {
            usize::MAX => Err(Refused),
            handle => Ok(Self { handle }),
        }
    }

    /// Reads into all of `buffer` and says how many bytes that were; fewer at the end of the file.
    ///
    /// # Errors
    /// If the machine fails to read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Refused> {
        let missing = call(nr::READ, [self.handle, buffer.as_mut_ptr() as usize, buffer.len()]);
        buffer.len().checked_sub(missing).ok_or(Refused)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        match call(nr::WRITE, [self.handle, bytes.as_ptr() as usize, bytes.len()]) {
            0 => Ok(()),
            _ => Err(Refused),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        call(nr::CLOSE, [self.handle]);
    }
}

/// One of the machine's standard streams, to write to.
#[derive(Debug)]
pub struct Output(File);

impl Output {
    /// Standard output.
    ///
    /// # Errors
    /// If it is closed.
    pub fn stdout() -> Result<Self, Refused> {
        File::open_in(":tt", Mode::Write).map(Self)
    }

    /// Standard error.
    ///
    /// # Errors
    /// If it is closed.
    pub fn stderr() -> Result<Self, Refused> {
        File::open_in(":tt", Mode::Append).map(Self)
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|Refused| fmt::Error)
    }
}
