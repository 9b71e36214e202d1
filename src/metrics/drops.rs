//! Datagrams that were thrown away because nobody had taken them in time.
//!
//! Roads not taken: `SO_RXQ_OVFL`, which costs something with each datagram, and `SO_MEMINFO`, which no safe wrapper
//! has.

use std::collections::HashSet;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// Where the kernel lists the UDP sockets of both families, with what it dropped for each (`proc_net_udp(5)`).
const LISTS: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];
/// Columns of a line: which socket, and how many datagrams it lost.
const INODE: usize = 9;
const DROPS: usize = 12;

/// Sockets whose losses are counted, for as long as they are open.
#[derive(Debug)]
pub struct Drops {
    inodes: HashSet<u64>,
}

impl Drops {
    /// Those of `sockets`.
    pub fn of<'s>(sockets: impl IntoIterator<Item = &'s UdpSocket>) -> Self {
        let inode =
            |socket: &UdpSocket| Some(File::from(OwnedFd::from(socket.try_clone().ok()?)).metadata().ok()?.ino());
        Self { inodes: sockets.into_iter().filter_map(inode).collect() }
    }

    /// How many datagrams they lost; none where the system does not tell, as without a `/proc`.
    pub fn count(&self) -> Option<u64> {
        let lists: Vec<_> = LISTS.iter().filter_map(|list| fs::read_to_string(list).ok()).collect();
        (!lists.is_empty()).then(|| lists.iter().map(|list| dropped(list, &self.inodes)).sum())
    }
}

fn dropped(list: &str, inodes: &HashSet<u64>) -> u64 {
    let of_line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let inode = columns.get(INODE)?.parse().ok()?;
        if inodes.contains(&inode) { columns.get(DROPS)?.parse::<u64>().ok() } else { None }
    };
    list.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_sockets_lost_counts() {
        let list = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 5220: 0100007F:3BC4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6145866 2 000000 12
 5220: 0100007F:3BC4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6145865 2 000000 30
 5221: 0100007F:3BC5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6145864 2 000000 500
";
        assert_eq!(dropped(list, &HashSet::from([6_145_866, 6_145_865])), 42);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_another_sockets_is_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let [full, other] = [(); 2].map(|()| UdpSocket::bind(address).unwrap());
            socket2::SockRef::from(&full).set_recv_buffer_size(1).unwrap();
            let (drops, none) = (Drops::of([&full]), Drops::of([&other]));
            assert_eq!(drops.count(), Some(0));
            for _ in 0..100 {
                other.send_to(&[0; 1000], full.local_addr().unwrap()).unwrap();
            }
            full.set_nonblocking(true).unwrap();
            let taken = (0..100).map_while(|_| full.recv(&mut [0; 1000]).ok()).count();
            assert_eq!((drops.count(), none.count()), (Some(100 - taken as u64), Some(0)), "{address}");
            assert!(taken < 100, "{taken} found room");
        }
    }
}
