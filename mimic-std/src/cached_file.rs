//! A small file of the system, kept parsed until it changes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A change within this time of another may leave a file's times as they were: file systems count
/// in ticks, FAT in 2 s.
const SETTLED: Duration = Duration::from_secs(3);

/// What a file was parsed to.
#[derive(Debug)]
pub(crate) struct CachedFile<T>(Mutex<Option<(Stamp, Arc<T>)>>);

impl<T> CachedFile<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns the parsed content of the regular file at `path`, of at most `limit` bytes. Asks for
    /// the file's metadata each time, and reads it only if they changed, or if it was new when it
    /// was read.
    pub(crate) fn get(&self, path: &Path, limit: u64, parse: impl FnOnce(Vec<u8>) -> T) -> io::Result<Arc<T>> {
        let metadata = fs::metadata(path)?;
        // Opening anything else may wait, as a pipe does.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
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
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
        }
        let parsed = Arc::new(parse(text));
        if stamp.is_older_than(SETTLED, now) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, parsed.clone()));
        }
        Ok(parsed)
    }
}

/// What changes with a file.
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

    fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        let old = |time| now.duration_since(time).is_ok_and(|passed| passed > age);
        #[cfg(unix)]
        let old = |time| old(time) && old(self.inode.0);
        old(self.modified)
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
        assert_eq!(get_directory(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    fn get_directory(path: &Path) -> io::Result<Arc<Vec<u8>>> {
        CachedFile::new().get(path, 9, |text| text)
    }
}
