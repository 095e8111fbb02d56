//! Commands that come all the while.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chronus_osc::{encode_arguments, message};

use crate::engine::Engine;

/// Sends commands all the while, from a thread of its own.
pub struct Load {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub fn start(engine: &Engine, a_second: u64) -> Result<Self, Box<dyn Error>> {
        let socket = engine.another_socket()?;
        let ends = Arc::new(AtomicBool::new(false));
        let flag = ends.clone();
        let packets: Vec<Vec<u8>> = (0..64)
            .map(|step| {
                let cutoff = (300 + step * 50).to_string();
                message("/mod/filter/cutoff", encode_arguments(&[cutoff])?)
            })
            .collect::<Result<_, _>>()?;
        let thread = std::thread::spawn(move || {
            let every = Duration::from_millis(5);
            let at_once = (a_second * 5).div_ceil(1000) as usize;
            let mut packets = packets.iter().cycle();
            while !flag.load(Ordering::Relaxed) {
                for packet in packets.by_ref().take(at_once) {
                    let _ = socket.send(packet);
                }
                std::thread::sleep(every);
            }
        });
        Ok(Self { ends, thread: Some(thread) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
