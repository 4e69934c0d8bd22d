//! A small file of the system, kept parsed until it changes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A change within this time of another may leave a file's times as they were: file systems count
/// in ticks, FAT in 2 s.
const SETTLED: Duration = Duration::from_secs(3);

/// A file server's clock may be a little ahead of this one. A time that is further ahead was set by
/// a program, or the clock was set back. A change leaves another time.
const AHEAD: Duration = Duration::from_secs(60);

/// The parsed content of a file.
#[derive(Debug)]
pub(crate) struct CachedFile<T>(Mutex<Option<(Stamp, Arc<T>)>>);

impl<T> CachedFile<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns the parsed content of the regular file at `path`, of at most `limit` bytes. Asks for
    /// the file's metadata each time, and reads it only if they changed, or if it was new when it
    /// was read. A larger file is an error, and not read.
    pub(crate) fn get(&self, path: &Path, limit: u64, parse: impl FnOnce(Vec<u8>) -> T) -> io::Result<Arc<T>> {
        let metadata = fs::metadata(path)?;
        // Opening anything else may wait, as a pipe does.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large");
        if metadata.len() > limit {
            return Err(too_large());
        }
        let stamp = Stamp::new(&metadata)?;
        if let Some((of, parsed)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && *of == stamp
        {
            return Ok(parsed.clone());
        }
        let file = File::open(path)?;
        let stamp = Stamp::new(&file.metadata()?)?;
        let now = SystemTime::now();
        let mut text = Vec::new();
        file.take(limit + 1).read_to_end(&mut text)?;
        if text.len() as u64 > limit {
            return Err(too_large());
        }
        let parsed = Arc::new(parse(text));
        if stamp.is_settled(now) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, parsed.clone()));
        }
        Ok(parsed)
    }
}

/// The metadata that change with a file.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: SystemTime,
    /// When the file was last changed in any way, which no program can set, and the file's place.
    #[cfg(unix)]
    inode: (SystemTime, u64, u64),
}

impl Stamp {
    fn new(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            len: metadata.len(),
            modified: metadata.modified()?,
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;
                let whole = Duration::from_secs(metadata.ctime().try_into().unwrap_or(0));
                let rest = Duration::from_nanos(metadata.ctime_nsec().try_into().unwrap_or(0));
                (SystemTime::UNIX_EPOCH + whole + rest, metadata.dev(), metadata.ino())
            },
        })
    }

    /// Tells whether a later change shows.
    fn is_settled(&self, now: SystemTime) -> bool {
        let settled = |time| match now.duration_since(time) {
            Ok(passed) => passed > SETTLED,
            Err(ahead) => ahead.duration() > AHEAD,
        };
        #[cfg(unix)]
        let settled = |time| settled(time) && settled(self.inode.0);
        settled(self.modified)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn read_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let (cached, reads) = (CachedFile::new(), Cell::new(0));
        let get = |limit| {
            cached.get(&path, limit, |text| {
                reads.set(reads.get() + 1);
                text
            })
        };
        assert_eq!(get(9).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "one").unwrap();
        // In the same tick, and of the same length.
        assert_eq!(*get(9).unwrap(), b"one");
        fs::write(&path, "two").unwrap();
        assert_eq!(*get(9).unwrap(), b"two");
        assert_eq!(get(2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let before = reads.get();
        std::thread::sleep(SETTLED + Duration::from_millis(100));
        for _ in 0..3 {
            assert_eq!(*get(9).unwrap(), b"two");
        }
        assert_eq!(reads.get(), before + 1);
        fs::write(&path, "six").unwrap();
        // A program that sets the time back does not hide the change.
        #[cfg(unix)]
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(*get(9).unwrap(), b"six");
        // Nor does one that sets it ahead have the file read again and again.
        #[cfg(unix)]
        {
            let day = Duration::from_secs(86_400);
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() + day).unwrap();
            std::thread::sleep(SETTLED + Duration::from_millis(100));
            let before = reads.get();
            for _ in 0..3 {
                assert_eq!(*get(9).unwrap(), b"six");
            }
            assert_eq!(reads.get(), before + 1);
            fs::write(&path, "ten").unwrap();
            assert_eq!(*get(9).unwrap(), b"ten");
        }
        assert_eq!(get_directory(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn settled() {
        let now = SystemTime::now();
        let second = Duration::from_secs(1);
        let stamp = |modified, changed| {
            _ = changed;
            Stamp {
                len: 0,
                modified,
                #[cfg(unix)]
                inode: (changed, 0, 0),
            }
        };
        let times = [
            (now - SETTLED * 2, true),
            (now - second, false),
            (now, false),
            (now + second, false),
            (now + AHEAD / 2, false),
            (now + AHEAD * 2, true),
        ];
        for (modified, one) in times {
            for (changed, other) in times {
                let wanted = one && (other || cfg!(not(unix)));
                assert_eq!(stamp(modified, changed).is_settled(now), wanted, "{modified:?} {changed:?} {now:?}");
            }
        }
    }

    /// By what the system counts for this thread.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        fn read() -> Option<u64> {
            let io = fs::read_to_string("/proc/thread-self/io").ok()?;
            io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let limit = 1 << 20;
        File::create(&path).unwrap().set_len(limit + 1).unwrap();
        let Some(before) = read() else { return };
        let error = CachedFile::new().get(&path, limit, |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(read().unwrap() - before < limit);
    }

    fn get_directory(path: &Path) -> io::Result<Arc<Vec<u8>>> {
        CachedFile::new().get(path, 9, |text| text)
    }
}
