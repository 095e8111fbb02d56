//! Descriptors held ready for what must be opened when a process has used up all that it may have.

use std::fs::File;
use std::io;

/// So many descriptors, of nothing, that make room when they are closed.
#[derive(Debug)]
pub struct Spare {
    held: Vec<File>,
    most: usize,
}

impl Spare {
    /// Holds `most` descriptors, or as many as there are.
    pub fn new(most: usize) -> Self {
        let mut spare = Self { held: Vec::with_capacity(most), most };
        spare.refill();
        spare
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Holds as many again as it shall; costs nothing if it does.
    pub fn refill(&mut self) {
        while self.held.len() < self.most {
            let one = match self.held.first() {
                Some(held) => held.try_clone(),
                None => File::open("/dev/null"),
            };
            match one {
                Ok(one) => self.held.push(one),
                Err(_) => return,
            }
        }
    }

    /// Opens something that takes up to `descriptors` at once. If none are left, those that are held make room.
    ///
    /// # Errors
    /// As `open` says, in spite of that.
    pub fn open<T>(
        &mut self,
        descriptors: usize,
        mut open: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match open() {
            Err(error) if is_used_up(&error) && !self.held.is_empty() => {
                self.held.truncate(self.held.len().saturating_sub(descriptors));
                let opened = open();
                self.refill();
                opened
            }
            opened => opened,
        }
    }
}

/// Whether an error says that no descriptor is left, in the process or in the whole system.
pub fn is_used_up(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_opened_is_opened_from_what_is_held() {
        let mut spare = Spare::new(3);
        let mut tries = 0;
        let opened = spare.open(2, || {
            tries += 1;
            if tries == 1 { Err(io::Error::from_raw_os_error(libc::EMFILE)) } else { Ok(tries) }
        });
        assert_eq!((opened.expect("there is room"), spare.held()), (2, 3));
        let gone = || Err::<(), _>(io::Error::from_raw_os_error(libc::ESRCH));
        assert_eq!(spare.open(1, gone).expect_err("it is gone").raw_os_error(), Some(libc::ESRCH));
        let used_up = || Err::<(), _>(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(is_used_up(&spare.open(9, used_up).expect_err("there is no room at all")));
        assert_eq!(spare.held(), 3, "it holds them again");
    }
}
