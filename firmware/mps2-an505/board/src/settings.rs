//! What a device is told: the file `device.cfg`, lines of `key = value`; and files beside it, as keys and certificates.

use core::{cell::Cell, ffi::CStr, str::FromStr};

use critical_section::Mutex;
use static_cell::ConstStaticCell;

use crate::host::{File, Mode};

/// The largest `device.cfg`.
const ROOM: usize = 2048;

static TEXT: ConstStaticCell<[u8; ROOM]> = ConstStaticCell::new([0; ROOM]);
static LOADED: Mutex<Cell<Option<&str>>> = Mutex::new(Cell::new(None));

fn load() -> &'static str {
    let Some(room) = TEXT.try_take() else {
        return "";
    };
    let text = file(c"device.cfg", room).unwrap_or_default();
    core::str::from_utf8(text).expect("device.cfg is UTF-8")
}

fn all() -> &'static str {
    critical_section::with(|section| {
        let loaded = LOADED.borrow(section);
        let text = loaded.get().unwrap_or_else(load);
        loaded.set(Some(text));
        text
    })
}

/// The value of `key`, without the blanks around it. A line that begins with `#` is a remark.
pub fn text(key: &str) -> Option<&'static str> {
    all().lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then_some(value.trim())
    })
}

/// The value of `key`, if it is there and reads as what is wanted: a number, an address.
pub fn parsed<T: FromStr>(key: &str) -> Option<T> {
    text(key)?.parse().ok()
}

/// The bytes of a file of the host; `None` if it is not there or larger than `room`.
pub fn file<'a>(name: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut file = File::open(name, Mode::Read)?;
    let len = file.len()?;
    let room = room.get_mut(..len)?;
    (file.read(room) == len).then_some(room)
}
