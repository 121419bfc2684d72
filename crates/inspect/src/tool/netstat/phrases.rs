//! The sentences in which net-tools prints the counters it knows; every other counter is printed by
//! its own name. Taken from what its netstat prints of made-up tables.

/// When a counter is printed, and below which title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Always,
    Nonzero,
    /// In the histogram of what came in.
    In,
    /// In the histogram of what went out.
    Out,
}

use Shown::{Always, In, Nonzero, Out};

/// A counter, when it is printed, and its sentence, with `{}` for the number.
pub type Phrase = (&'static str, Shown, &'static str);

/// Settings, not counters.
const SETTINGS: [&str; 5] = ["DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"];

pub fn is_setting(table: &str, name: &str) -> bool {
    matches!(table, "Ip" | "Tcp") && SETTINGS.contains(&name)
}

/// The sentence of a table's counter.
pub fn find(table: &str, name: &str) -> Option<Phrase> {
    let (_, phrases) = TABLES.iter().find(|(known, _)| *known == table)?;
    phrases.iter().find(|(known, ..)| *known == name).copied()
}

const TABLES: [(&str, &[Phrase]); 9] = [
    ("Ip", &IP),
    ("Icmp", &ICMP),
    ("Tcp", &TCP),
    ("Udp", &UDP),
    ("TcpExt", &TCPEXT),
    ("Ip6", &IP6),
    ("Icmp6", &ICMP6),
    ("Udp6", &UDP6),
    ("Sctp", &SCTP),
];

const IP: [Phrase; 17] = [
    ("InReceives", Always, "{} total packets received"),
    ("InHdrErrors", Nonzero, "{} with invalid headers"),
    ("InAddrErrors", Nonzero, "{} with invalid addresses"),
    ("ForwDatagrams", Always, "{} forwarded"),
    ("InUnknownProtos", Nonzero, "{} with unknown protocol"),
    ("InDiscards", Always, "{} incoming packets discarded"),
    ("InDelivers", Always, "{} incoming packets delivered"),
    ("OutRequests", Always, "{} requests sent out"),
    ("OutDiscards", Nonzero, "{} outgoing packets dropped"),
    ("OutNoRoutes", Nonzero, "{} dropped because of missing route"),
    ("ReasmTimeout", Nonzero, "{} fragments dropped after timeout"),
    ("ReasmReqds", Nonzero, "{} reassemblies required"),
    ("ReasmOKs", Nonzero, "{} packets reassembled ok"),
    ("ReasmFails", Nonzero, "{} packet reassemblies failed"),
    ("FragOKs", Nonzero, "{} outgoing packets fragmented ok"),
    ("FragFails", Nonzero, "{} outgoing packets failed fragmentation"),
    ("FragCreates", Nonzero, "{} fragments created"),
];

const ICMP: [Phrase; 26] = [
    ("InMsgs", Always, "{} ICMP messages received"),
    ("InErrors", Always, "{} input ICMP message failed"),
    ("InDestUnreachs", In, "destination unreachable: {}"),
    ("InTimeExcds", In, "timeout in transit: {}"),
    ("InParmProbs", In, "wrong parameters: {}"),
    ("InSrcQuenchs", In, "source quenches: {}"),
    ("InRedirects", In, "redirects: {}"),
    ("InEchos", In, "echo requests: {}"),
    ("InEchoReps", In, "echo replies: {}"),
    ("InTimestamps", In, "timestamp request: {}"),
    ("InTimestampReps", In, "timestamp reply: {}"),
    ("InAddrMasks", In, "address mask request: {}"),
    ("InAddrMaskReps", In, "address mask replies: {}"),
    ("OutMsgs", Always, "{} ICMP messages sent"),
    ("OutErrors", Always, "{} ICMP messages failed"),
    ("OutDestUnreachs", Out, "destination unreachable: {}"),
    ("OutTimeExcds", Out, "time exceeded: {}"),
    ("OutParmProbs", Out, "wrong parameters: {}"),
    ("OutSrcQuenchs", Out, "source quench: {}"),
    ("OutRedirects", Out, "redirect: {}"),
    ("OutEchos", Out, "echo requests: {}"),
    ("OutEchoReps", Out, "echo replies: {}"),
    ("OutTimestamps", Out, "timestamp requests: {}"),
    ("OutTimestampReps", Out, "timestamp replies: {}"),
    ("OutAddrMasks", Out, "address mask requests: {}"),
    ("OutAddrMaskReps", Out, "address mask replies: {}"),
];

const TCP: [Phrase; 10] = [
    ("ActiveOpens", Always, "{} active connection openings"),
    ("PassiveOpens", Always, "{} passive connection openings"),
    ("AttemptFails", Always, "{} failed connection attempts"),
    ("EstabResets", Always, "{} connection resets received"),
    ("CurrEstab", Always, "{} connections established"),
    ("InSegs", Always, "{} segments received"),
    ("OutSegs", Always, "{} segments sent out"),
    ("RetransSegs", Always, "{} segments retransmitted"),
    ("InErrs", Always, "{} bad segments received"),
    ("OutRsts", Always, "{} resets sent"),
];

const UDP: [Phrase; 6] = [
    ("InDatagrams", Always, "{} packets received"),
    ("NoPorts", Always, "{} packets to unknown port received"),
    ("InErrors", Always, "{} packet receive errors"),
    ("OutDatagrams", Always, "{} packets sent"),
    ("RcvbufErrors", Always, "{} receive buffer errors"),
    ("SndbufErrors", Always, "{} send buffer errors"),
];

const TCPEXT: [Phrase; 50] = [
    ("SyncookiesSent", Nonzero, "{} SYN cookies sent"),
    ("SyncookiesRecv", Nonzero, "{} SYN cookies received"),
    ("SyncookiesFailed", Nonzero, "{} invalid SYN cookies received"),
    ("EmbryonicRsts", Nonzero, "{} resets received for embryonic SYN_RECV sockets"),
    (
        "PruneCalled",
        Nonzero,
        "{} packets pruned from receive queue because of socket buffer overrun",
    ),
    ("RcvPruned", Nonzero, "{} packets pruned from receive queue"),
    (
        "OfoPruned",
        Nonzero,
        "{} packets dropped from out-of-order queue because of socket buffer overrun",
    ),
    ("OutOfWindowIcmps", Nonzero, "{} ICMP packets dropped because they were out-of-window"),
    ("LockDroppedIcmps", Nonzero, "{} ICMP packets dropped because socket was locked"),
    ("TW", Nonzero, "{} TCP sockets finished time wait in fast timer"),
    ("TWRecycled", Nonzero, "{} time wait sockets recycled by time stamp"),
    ("PAWSActive", Nonzero, "{} active connections rejected because of time stamp"),
    ("PAWSEstab", Nonzero, "{} packets rejected in established connections because of timestamp"),
    ("DelayedACKs", Nonzero, "{} delayed acks sent"),
    ("DelayedACKLocked", Nonzero, "{} delayed acks further delayed because of locked socket"),
    ("DelayedACKLost", Nonzero, "Quick ack mode was activated {} times"),
    ("ListenOverflows", Nonzero, "{} times the listen queue of a socket overflowed"),
    ("ListenDrops", Nonzero, "{} SYNs to LISTEN sockets dropped"),
    ("TCPHPHits", Always, "{} packet headers predicted"),
    ("TCPPureAcks", Nonzero, "{} acknowledgments not containing data payload received"),
    ("TCPHPAcks", Nonzero, "{} predicted acknowledgments"),
    ("TCPRenoRecovery", Nonzero, "{} times recovered from packet loss due to fast retransmit"),
    ("TCPSACKReorder", Nonzero, "Detected reordering {} times using SACK"),
    ("TCPRenoReorder", Nonzero, "Detected reordering {} times using reno fast retransmit"),
    ("TCPTSReorder", Nonzero, "Detected reordering {} times using time stamp"),
    ("TCPFullUndo", Nonzero, "{} congestion windows fully recovered without slow start"),
    ("TCPPartialUndo", Nonzero, "{} congestion windows partially recovered using Hoe heuristic"),
    (
        "TCPLossUndo",
        Nonzero,
        "{} congestion windows recovered without slow start after partial ack",
    ),
    ("TCPRenoFailures", Nonzero, "{} timeouts after reno fast retransmit"),
    ("TCPLossFailures", Nonzero, "{} timeouts in loss state"),
    ("TCPFastRetrans", Nonzero, "{} fast retransmits"),
    ("TCPSlowStartRetrans", Nonzero, "{} retransmits in slow start"),
    ("TCPRcvCollapsed", Nonzero, "{} packets collapsed in receive queue due to low socket buffer"),
    ("TCPAbortOnData", Nonzero, "{} connections reset due to unexpected data"),
    ("TCPAbortOnClose", Nonzero, "{} connections reset due to early user close"),
    ("TCPAbortOnMemory", Nonzero, "{} connections aborted due to memory pressure"),
    ("TCPAbortOnTimeout", Nonzero, "{} connections aborted due to timeout"),
    ("TCPAbortOnLinger", Nonzero, "{} connections aborted after user close in linger timeout"),
    ("TCPAbortFailed", Nonzero, "{} times unable to send RST due to no memory"),
    ("TCPMemoryPressures", Nonzero, "TCP ran low on memory {} times"),
    ("PAWSPassive", Nonzero, "{} passive connections rejected because of time stamp"),
    ("SockMallocOOM", Nonzero, "Ran {} times out of system memory during packet sending"),
    ("TCPAbortOnSyn", Nonzero, "{} connections reset due to unexpected SYN"),
    ("TCPDirectCopyFromBacklog", Nonzero, "{} bytes directly in process context from backlog"),
    ("TCPFACKReorder", Nonzero, "Detected reordering {} times using FACK"),
    ("TCPForwardRetrans", Nonzero, "{} forward retransmits"),
    ("TCPHPHitsToUser", Nonzero, "{} packet headers predicted and directly queued to user"),
    ("TCPLostRetransmits", Nonzero, "{} retransmits lost"),
    ("TCPPrequeued", Nonzero, "{} packets directly queued to recvmsg prequeue"),
    ("TCPSchedulerFailed", Nonzero, "{} times receiver scheduled too late for direct processing"),
];

const IP6: [Phrase; 22] = [
    ("Ip6InReceives", Always, "{} total packets received"),
    ("Ip6InHdrErrors", Nonzero, "{} with invalid headers"),
    ("Ip6InTooBigErrors", Nonzero, "{} with packets too big"),
    ("Ip6InNoRoutes", Nonzero, "{} incoming packets with no route"),
    ("Ip6InAddrErrors", Nonzero, "{} with invalid addresses"),
    ("Ip6InUnknownProtos", Nonzero, "{} with unknown protocol"),
    ("Ip6InTruncatedPkts", Nonzero, "{} with truncated packets"),
    ("Ip6InDiscards", Always, "{} incoming packets discarded"),
    ("Ip6InDelivers", Always, "{} incoming packets delivered"),
    ("Ip6OutForwDatagrams", Always, "{} forwarded"),
    ("Ip6OutRequests", Always, "{} requests sent out"),
    ("Ip6OutDiscards", Nonzero, "{} outgoing packets dropped"),
    ("Ip6OutNoRoutes", Nonzero, "{} dropped because of missing route"),
    ("Ip6ReasmTimeout", Nonzero, "{} fragments dropped after timeout"),
    ("Ip6ReasmReqds", Nonzero, "{} reassemblies required"),
    ("Ip6ReasmOKs", Nonzero, "{} packets reassembled ok"),
    ("Ip6ReasmFails", Nonzero, "{} packet reassemblies failed"),
    ("Ip6FragOKs", Nonzero, "{} outgoing packets fragmented ok"),
    ("Ip6FragFails", Nonzero, "{} outgoing packets failed fragmentation"),
    ("Ip6FragCreates", Nonzero, "{} fragments created"),
    ("Ip6InMcastPkts", Nonzero, "{} incoming multicast packets"),
    ("Ip6OutMcastPkts", Nonzero, "{} outgoing multicast packets"),
];

const ICMP6: [Phrase; 30] = [
    ("Icmp6InMsgs", Always, "{} ICMP messages received"),
    ("Icmp6InErrors", Always, "{} input ICMP message failed"),
    ("Icmp6OutMsgs", Always, "{} ICMP messages sent"),
    ("Icmp6InDestUnreachs", In, "destination unreachable: {}"),
    ("Icmp6InPktTooBigs", In, "packets too big: {}"),
    ("Icmp6InTimeExcds", In, "received ICMPv6 time exceeded: {}"),
    ("Icmp6InParmProblems", In, "parameter problem: {}"),
    ("Icmp6InEchos", In, "echo requests: {}"),
    ("Icmp6InEchoReplies", In, "echo replies: {}"),
    ("Icmp6InGroupMembQueries", In, "group member queries: {}"),
    ("Icmp6InGroupMembResponses", In, "group member responses: {}"),
    ("Icmp6InGroupMembReductions", In, "group member reductions: {}"),
    ("Icmp6InRouterSolicits", In, "router solicits: {}"),
    ("Icmp6InRouterAdvertisements", In, "router advertisement: {}"),
    ("Icmp6InNeighborSolicits", In, "neighbour solicits: {}"),
    ("Icmp6InNeighborAdvertisements", In, "neighbour advertisement: {}"),
    ("Icmp6InRedirects", In, "redirects: {}"),
    ("Icmp6OutDestUnreachs", Out, "destination unreachable: {}"),
    ("Icmp6OutPktTooBigs", Out, "packets too big: {}"),
    ("Icmp6OutTimeExcds", Out, "sent ICMPv6 time exceeded: {}"),
    ("Icmp6OutParmProblems", Out, "parameter problem: {}"),
    ("Icmp6OutEchos", Out, "echo requests: {}"),
    ("Icmp6OutEchoReplies", Out, "echo replies: {}"),
    ("Icmp6OutGroupMembQueries", Out, "group member queries: {}"),
    ("Icmp6OutGroupMembResponses", Out, "group member responses: {}"),
    ("Icmp6OutGroupMembReductions", Out, "group member reductions: {}"),
    ("Icmp6OutRouterSolicits", Out, "router solicits: {}"),
    ("Icmp6OutNeighborSolicits", Out, "neighbor solicits: {}"),
    ("Icmp6OutNeighborAdvertisements", Out, "neighbor advertisements: {}"),
    ("Icmp6OutRedirects", Out, "redirects: {}"),
];

const UDP6: [Phrase; 4] = [
    ("Udp6InDatagrams", Always, "{} packets received"),
    ("Udp6NoPorts", Always, "{} packets to unknown port received"),
    ("Udp6InErrors", Always, "{} packet receive errors"),
    ("Udp6OutDatagrams", Always, "{} packets sent"),
];

const SCTP: [Phrase; 17] = [
    ("SctpAborteds", Always, "{} Number of Aborteds "),
    ("SctpActiveEstabs", Always, "{} Active Associations"),
    ("SctpChecksumErrors", Always, "{} Number of Packets with invalid Checksum"),
    ("SctpCurrEstab", Always, "{} Current Associations"),
    ("SctpFragUsrMsgs", Always, "{} Number of messages fragmented"),
    ("SctpInCtrlChunks", Always, "{} Number of control chunks received"),
    ("SctpInOrderChunks", Always, "{} Number of ordered chunks received"),
    ("SctpInSCTPPacks", Always, "{} Number of SCTP packets received"),
    ("SctpInUnorderChunks", Always, "{} Number of Unordered chunks received"),
    ("SctpOutCtrlChunks", Always, "{} Number of control chunks sent"),
    ("SctpOutOfBlues", Always, "{} Number of Out of Blue packets"),
    ("SctpOutOrderChunks", Always, "{} Number of ordered chunks sent"),
    ("SctpOutSCTPPacks", Always, "{} Number of SCTP packets sent"),
    ("SctpOutUnorderChunks", Always, "{} Number of Unordered chunks sent"),
    ("SctpPassiveEstabs", Always, "{} Passive Associations"),
    ("SctpReasmUsrMsgs", Always, "{} Number of messages reassembled "),
    ("SctpShutdowns", Always, "{} Number of Graceful Terminations"),
];
