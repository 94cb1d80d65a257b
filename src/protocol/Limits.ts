/**
 * Every bound of the protocol in one place: a queue, a buffer, a retry or a wait that is not
 * limited here is a defect. Units are the last word of a name.
 */

/** UDP and IPv4 headers before our bytes (RFC 768, RFC 791 without options). */
export const udpHeaderBytes = 28
/**
 * Ethernet's MTU: the default wherever an interface says more, because the path to a catcher may
 * not.
 */
export const defaultMtuBytes = 1500
/** Our fixed header, see wire/Header.ts. */
export const headerBytes = 24
/** Bytes of an authentication tag. The default page leaves as many of a frame free. [W-6] */
export const tagBytes = 16
/** The CRC-32 of a datagram in the open, where a sealed one has its tag. [W-7] */
export const checksumBytes = 4
/** Default page: what an Ethernet frame leaves (1432). */
export const defaultPageBytes = defaultMtuBytes - udpHeaderBytes - headerBytes - tagBytes
/**
 * The group and the port, where nothing is said of them: of the addresses that are an
 * organisation's own (RFC 2365).
 */
export const defaultGroup = { group: "239.255.67.92", port: 8888 } as const
/** Routers that a datagram may pass, plus one, where nothing is said: it stays on its network. */
export const defaultTtl = 1
/**
 * How long master and catchers wait for each other, where nothing is said: a person starts one
 * after the other.
 */
export const defaultWaitMillis = 30_000
/**
 * Silence after which either side counts as lost, where nothing is said: most networks mend
 * themselves in less.
 */
export const defaultTimeoutMillis = 10_000
/**
 * The shortest time-out: what is done several times in one is done no more often than a busy
 * machine can.
 */
export const minTimeoutMillis = 100
/** Below this an answer about a span of pages would not fit into one datagram. */
export const minPageBytes = 512
/** A UDP datagram over IPv4 holds 65,507 bytes. */
export const maxPageBytes = 65_507 - headerBytes - tagBytes
/**
 * Pages hashed together; 128 pages of 1432 bytes are 183 KB, where BLAKE3 reaches its full speed.
 */
export const blockPages = 128
/**
 * Pages whose marks are made at once: enough that making them costs a page next to nothing. Their
 * 1 KiB is made in 2 us.
 */
export const markedPages = 128
/**
 * Openings of one file that a catcher knows: a master sends it to catchers that came late while
 * others are still repaired.
 */
export const openingsOfFile = 4
/**
 * Files of which a catcher knows openings: 256 GB in bundles. A file that was not mentioned while
 * so many others were is sent again in a further pass.
 */
export const openedFiles = 65_536
/** Openings whose marks are kept, 2 KiB each: more than a master has files on the air. */
export const markedOpenings = 64
/** AES-256's. */
export const cipherKeyBytes = 32
/** Pages asked about in one question at most: their bitmap (1 KiB) fits into one datagram. */
export const spanPages = 8192
/** Blocks of a span: an answer gives each of them a byte. */
export const spanBlocks = spanPages / blockPages
/** BLAKE3's output. */
export const hashBytes = 32
/**
 * Of a page's hash so many bytes are its digest: nobody finds another page for one while a session
 * lasts, and those of a block fit into one datagram.
 */
export const digestBytes = 8
/**
 * Pages whose digests are told together: so many that the message, signed and sealed, is no longer
 * than the datagram of such a page, and passes where it does. A power of two divides a block.
 */
export const digestsBeside = (pageBytes: number): number =>
  2 ** Math.floor(Math.log2((Math.max(pageBytes, minPageBytes) - 93) / digestBytes))
/**
 * Pages of one file whose digests a catcher keeps: a question is about no more. They are 64 KiB;
 * pages of blocks beyond them are not taken, and are asked for again.
 */
export const digestedPages = spanPages
/**
 * A file's pages: 1.5 TB with the default page. A catcher keeps 66 bytes for each block; these
 * bound the number, not the wire's 32 bits.
 */
export const maxPages = 2 ** 30
/** Blocks of a file that has so many pages. */
export const maxBlocks = maxPages / blockPages

/** Glued datagrams of one kernel send stay under 64 KiB (what UDP_SEGMENT takes). */
export const batchBytes = 65_000
const batchDatagrams = 44
/** Bytes of one kernel send: whole datagrams, and always one. */
export const sendBytes = (datagramBytes: number): number =>
  Math.max(1, Math.min(batchDatagrams, Math.floor(batchBytes / datagramBytes))) * datagramBytes
/**
 * A slab holds what is handed to the air at once: several kernel sends, and at least one of the
 * largest datagrams.
 */
export const slabBytes = 8 * batchBytes
/**
 * A slab that the air does not take within this time is filled by half only: the next file waits
 * for it.
 */
export const slabMillis = 10

/** A regular file up to this size travels in a bundle. */
export const smallFileBytes = 512 * 1024
/** A bundle is held in memory at both ends until it is committed. */
export const bundleBytes = 4 * 1024 * 1024
/** Members of a bundle: each has a bit in its trailer. */
export const bundleFiles = 4096
/**
 * Files between their open barrier and their close at one time; bounds descriptors and memory at
 * both ends.
 */
export const filesInFlight = 8
/**
 * Files that a catcher keeps open: more than a master uses at one time. Those that stay open when
 * the catcher is away again and again come beyond that. Then the file asked about longest ago is
 * dropped, and opened again when its turn comes. More are refused.
 */
export const keptFiles = 24
/**
 * Files that a catcher has open at most. As many more wait until others are committed; an Open
 * beyond these is refused.
 */
export const openFiles = 32
/**
 * Directories of its destination that a store keeps open: a tree's neighbours share most of theirs.
 */
export const openDirectories = 64

/**
 * Of a file of which so many bytes have arrived they are kept when its session ends early: to send
 * less than that once more takes a tenth of a second at 1 Gb/s, and a name that stays is more of a
 * nuisance. [Y-15]
 */
export const partialBytes = 16 * 1024 * 1024
/**
 * What is kept so and not used for that long goes: a session that broke off is tried again within
 * days, and after a fortnight nobody remembers what takes the room.
 */
export const partialMillis = 14 * 24 * 3600 * 1000
/** How often a catcher that serves looks for it: the walk reads all directories. */
export const partialsCheckedMillis = 24 * 3600 * 1000
/** Directories that wait to be read in it: of a tree with more, some are left to the next time. */
export const waitingDirectories = 1_000_000

/**
 * Files whose content is waited for at one time with --fsync: as many as Node's pool has threads.
 * They share a flush of the disk.
 */
export const filesSyncedAtOnce = 4
/**
 * Files that were replaced and are freed at one time, by Node's pool of 4 threads, which others
 * need as well. Of any more each is freed when its name is taken.
 */
export const freedAtOnce = 2
/** To free what takes less room takes 2 ms at most. */
export const freedBytes = 16 * 1024 * 1024
/**
 * Times that a store does a thing which another catcher of the same destination may have done, or
 * undone, at that moment.
 */
export const racedTries = 8
/**
 * Source files that changed while they were sent, copied at one time: small ones in memory, larger
 * ones in files without a name. The others wait for the next revision.
 */
export const copiedFiles = 4096
/** Bytes of the small copies together. */
export const copiedBytes = 64 * 1024 * 1024
/** Larger copies, each a file descriptor. */
export const copiedLargeFiles = 16
/**
 * All copies of larger files take together, but for those that share their blocks with the file,
 * and so the largest file that is copied otherwise: a directory for temporary files may be memory.
 */
export const copyBytes = 1024 * 1024 * 1024
/** Attempts to copy a file between two of its changes. */
export const copyAttempts = 5
/** Times of files are of a clock that may be so late: its tick is 10 ms at most. */
export const fileClockMillis = 20
/** Times that a file which changed is taken anew. */
export const retakes = 3
/** A lease on a file is waited for; Linux breaks one after 45 s (fs.lease-break-time). */
export const leaseMillis = 60_000
/** Pause between two looks at a file with a lease. */
export const leasePollMillis = 100
/** Spans of one file in their missing rounds while the next one is streamed. */
export const spansInFlight = 3
/** Runs of data that a manifest tells of one file, 16 KiB: holes are few, or small. */
export const dataRuns = 1024
/** And of all files: 64 MiB. Of further ones the first and the last byte of their data are told. */
export const allDataRuns = 4 * 1024 * 1024
/** Runs that a file system is asked for: 30 ms of questions without a turn. */
export const seenRuns = 16 * 1024
/** A manifest is held in memory at both ends. */
export const manifestBytes = 1024 * 1024 * 1024
/**
 * Hashes of contents that a catcher holds are of one entry each, with the run that it may be alone
 * in: what a list of them has at most, for a manifest of so many entries. [Y-12]
 */
export const hashListBytes = (entries: number): number => entries * (hashBytes + 8)
/** Entries of a manifest: what a program's memory holds of them. */
export const manifestEntries = 10_000_000
/**
 * Entries that a master could not read while it scanned the tree, by name in the manifest; more are
 * only counted.
 */
export const leftOutEntries = 4096
/**
 * Bytes of a file that are read and hashed at a time: they stay in a processor's own cache, which
 * makes hashing twice as fast as it is with 512 KiB.
 */
export const hashedBytes = 256 * 1024
/**
 * Entries of which one answer to a survey tells: a bitmap of them has 1 KiB. Half as many where
 * there are two bitmaps.
 */
export const surveyEntries = spanPages
/**
 * A catcher that compares for long is waited for as long as it gets on by one part in so many
 * within `questionTimeouts`: for a day or two at most.
 */
export const surveyParts = 1024
/**
 * A catcher that looks through an older version is waited for as long as it gets on by one part
 * that is not longer than this: what the slowest of disks reads within a time-out. [Y-13]
 */
export const reusedBytes = 16 * 1024 * 1024
/** And as long as what it has looked through is no more than the file's size times this. */
export const reusedSizes = 16
/** Times that a file to which others can write is read at its commit, at most. [F-11] */
export const looksAtStanding = 3
/** Items in one answer to Itemize: more than a datagram has room for. */
export const itemsAnswered = 200
/** Answers to Itemize beyond those that a catcher's items need: some are cut early. */
export const itemizeAnswers = 16
/** Bytes of items that one such answer holds at least. */
export const itemsBytes = 1024
/** Changes that a catcher keeps to tell them one by one; of more it tells the first. */
export const itemized = manifestEntries
/**
 * Deletions that a master keeps until they are done, to tell them then: some 50 MB. A catcher says
 * itself how many there are; more than these are told at once. [Y-7]
 */
export const heldDeletions = 200_000
/** Names of one directory's that a reason lists: it has little room. */
export const vetoedNames = 5
/** Entries that a catcher names because its owner refuses them; of more it says how many. */
export const vetoedEntries = 256
/** Longest path: Linux's PATH_MAX. */
export const pathBytes = 4096
/** Longest name of a catcher. */
export const nameBytes = 128
/** Longest reason in an answer. */
export const reasonBytes = 200

/**
 * Joins of incarnations that are not known yet, from one host: so many at once, and so many a
 * second. More are not heard, and come again with the next announcement. Hosts that are counted at
 * one time; for more all are forgotten.
 */
export const joinsOfHost = 256
/** So many more of them are heard with each second that passes. */
export const joinsOfHostPerSecond = 64
/** Hosts whose joins are counted at one time; for more, all counts are forgotten. */
export const countedHosts = 4096
/**
 * Newcomers that never answered, from which on strangers are at work, and no session's end waits
 * for newcomers.
 */
export const silentNewcomers = 64
/** How often one name joins a session. */
export const joinsOfName = 16
/**
 * How often one name joins a session and answers no question: each time costs the session's end
 * `questionTimeouts`.
 */
export const muteJoinsOfName = 2
/**
 * So many catchers that answered no question, and a session without a list takes in no more names:
 * somebody with a key could keep it from ending with one after the other.
 */
export const muteJoins = 3
/** Catchers in one session: their bitmap (512 bytes) fits into every question. */
export const slots = 4096
/**
 * Catchers asked in one question, at most and at least: their answers must fit the master's receive
 * buffer.
 */
export const maxSliceSlots = 512
/** Catchers asked in one question at least, however small the receive buffer is. */
export const minSliceSlots = 8
/**
 * One answer's share of that buffer: 1200 bytes with the kernel's bookkeeping, and room for other
 * answers beside it.
 */
export const answerBytes = 4096
/**
 * The window before the first answer, and its floor; and the floor where a path's queue is short:
 * at 10 Mb/s 13 ms.
 */
export const firstWindowBytes = 128 * 1024
/** The window's floor where a path's queue is short: at 10 Mb/s 13 ms. */
export const minWindowBytes = 16 * 1024
/**
 * Page bytes between two polls at least: no more than one kernel send of default pages (64,064
 * bytes), or a small window would be spent between two polls. A poll wakes every catcher, also
 * those it does not ask.
 */
export const minPollBytes = 60_000
/**
 * A closed window polls again this long after the last poll or answer; where answers may be lost,
 * after a usual round trip and `minQuestionMillis`; twice as long after every four polls that
 * brought nothing, at most after `maxPollMillis`.
 */
export const pollMillis = 40
/** The longest pause between two polls of a closed window. */
export const maxPollMillis = 320
/** Catchers that clock the window, and how many of them one poll asks beside those that lag. */
export const ackers = 32
/** Ackers that one poll asks, beside those that lag. */
export const polledAckers = 8

/**
 * Blocks that a catcher assembles in memory at one time: what may be incomplete while the spans in
 * flight are repaired. The oldest goes to the store when more begin. Of large pages (the master
 * says how large they are) there are fewer.
 */
export const assemblingBlocks = 256
/** However large the pages are, so many blocks are assembled. */
export const leastAssemblingBlocks = 8
/**
 * Memory for blocks that are assembled: of large pages it holds fewer blocks than
 * `assemblingBlocks`.
 */
export const assemblingBytes = 48 * 1024 * 1024
/**
 * Points of the code's field, GF(256): a block's data pages and its parity pages together. The wire
 * numbers the parity pages of all blocks in one row, this many a block.
 */
export const codePoints = 256
/**
 * Parity pages that one file keeps at a catcher until its blocks can be decoded; the oldest block's
 * are dropped for more. Of large pages fewer, but enough for one block.
 */
export const heldParityPages = (pageBytes: number): number =>
  Math.max(blockPages, Math.min(4096, Math.floor(heldParityBytes / pageBytes)))
const heldParityBytes = 6 * 1024 * 1024
/** Questions that wait for one file's fiber; more are dropped, and asked again. */
export const mailboxQuestions = 16
/** Batches in the inbox of plain datagrams; the sockets' own queues are the long ones. */
export const inboxBatches = 16
/** Slabs being filled or waiting for the air, for each of its three lanes. */
export const airSlabs = 4
/** Datagrams taken from a socket and not yet read; the kernel's buffer holds the rest. */
export const socketDatagrams = 4096
/**
 * Progress events waiting for a slow reader; older ones are dropped. A bundle's files are told at
 * once, and fit.
 */
export const progressEvents = 2 * bundleFiles
/** Patience with a slow reader of events that is behind when the session has ended. */
export const sinkMillis = 1000

/**
 * More catchers than this say how many pages of a block they lack, not which: lists grow with the
 * group, counts do not.
 */
export const listingCatchers = 8
/**
 * A catcher for which the others wait for a greater share of the time is sent further files after
 * them, so that they take about twice as long at most.
 */
export const waitedShare = 1 / 2
/** And so much longer than for half of the group: where all lose answers, none is slow. */
export const waitedTimes = 4
/** An answer that is owed for less holds up nobody; it is looked as often. */
export const waitedMillis = 50
/** One that has got more than so many times as much as the slowest is not left out. */
export const waitedBytes = 2
/** What was longer ago than so many quarters of the time-out counts half. */
export const waitedMemory = 8
/**
 * A file of this size at least is sent as a delta where a catcher has an older version of it. Of a
 * smaller one the signature and the questions would cost as much as the pages they save. [Y-13]
 */
export const deltaBytes = 1024 * 1024
/**
 * What an older version has at its own place is copied while pages come where it is so much. Less
 * takes two milliseconds where it is in the page cache. [Y-18]
 */
export const postponedBytes = 4 * 1024 * 1024
/**
 * So many files of a directory are looked at for one that is like a large file that is lacked: some
 * milliseconds for each directory, and less than one for each file. [Y-16]
 */
export const similarNames = 2048
/**
 * Of the signatures of a session: 6.7 million blocks, a file of 11 TB or 100 files of 1 GB. A
 * catcher keeps them in memory, and a hostile master may send any number of lists. [Y-13]
 */
export const signatureBytes = 128 * 1024 * 1024
/** Questions about spans of a delta that are asked ahead of its page stream. */
export const spansAsked = 4

/**
 * A catcher that lacks more than this many times the group's median, and `stragglerShare` on top of
 * it, is a straggler.
 */
export const stragglerMedians = 4
/** Share of a span that a straggler lacks beyond `stragglerMedians` times the median. */
export const stragglerShare = 0.05
/** Fewer pages hold nobody up: of a small file one lost page would be a large share. */
export const stragglerPages = 64
/** Files that only wait for stragglers, beside those in flight. */
export const lateFiles = 8
/**
 * Passes that end without the file at a catcher that takes part in them; then it sits the file out.
 */
export const passes = 64
/** Rounds in which a file gained no page before its catcher sits it out. */
export const stalledRounds = 100
/**
 * After so many of them a catcher that holds parity does without any: the rounds that are left are
 * enough for pages with digests.
 */
export const doubtedRounds = 10
/**
 * Times that blocks of a file may fail their hash although each of their pages had its digest: then
 * it is the catcher's own memory or disk, and it sits the file out.
 */
export const rejectedHashes = 8

/** How often it is looked whether the interface is what it was. */
export const lookMillis = 1000
/**
 * An interface on which something arrived within this time is stayed with, also when another one is
 * the default by now.
 */
export const hearingMillis = 5000

/**
 * Announcements that come late for ten times as long as they are late are in time: their master
 * stood still, or clocks part.
 */
export const delayLeak = 0.1
/** Announcements while catchers are awaited, and while the session runs. */
export const announceMillis = 200
/** So soon after an announcement a younger master's call brings another one. */
export const leastAnnounceMillis = 5
/** Hundreds of catchers spread their answers to an announcement over this time at most. */
export const spreadMillis = 100
/** Times at which the joins of one spread are welcomed: each catcher hears every welcome. */
export const welcomesASpread = 50
/**
 * Incarnations under which a catcher that is given up again and again takes part in one session.
 */
export const incarnations = 8
/** Sessions that a catcher remembers to pass over. */
export const passedOver = 16
/** A catcher that looks for a session holds on to a master that it has heard within this time. */
export const forgetMillis = 1000
/**
 * A master believes a catcher's word that another one has the group for this long after that one
 * was heard: four of its announcements would have been lost.
 */
export const hearsayMillis = 800
/**
 * A catcher leaves a master that has been silent for this long for another one that calls: five
 * announcements are missing.
 */
export const leaveMillis = 1000
/**
 * A catcher that was refused because of its name asks at every announcement: for this long after
 * the last time it may still be there.
 */
export const knockMillis = 1000
/**
 * A scan that began no longer than this before the gathering ended is the session's. Catchers that
 * are there already join within this time, so their session does not wait for a second scan.
 */
export const freshScanMillis = 250
/**
 * Names of absent catchers that are told while a master waits for them: a list of hosts may have
 * thousands.
 */
export const absentNames = 20
/**
 * Before it begins a master listens for another one: twice as long as its catchers took to join,
 * but for this long at least.
 */
export const leastListenMillis = 20
/** A master listens for another one no longer than this before it begins. */
export const listenMillis = 50
/**
 * First repetition of a question while no round trip is known, the least at any time, and the
 * longest pause between two.
 */
export const questionMillis = 20
/** The shortest pause before a question is repeated. */
export const minQuestionMillis = 4
/**
 * When so small a part of a slice still owes its answer, the others have shown how long an answer
 * takes. Of fewer than 8 catchers that is nobody.
 */
export const mostOwing = 1 / 8
/** So much longer than the others a late answer may take before it is asked for again. */
export const restMillis = 2
/** The longest pause before a question is repeated. */
export const maxQuestionMillis = 500
/**
 * How often at a time something is said to a catcher, or to a master, whose answers seem to be
 * lost.
 */
export const copies = 4
/** Joins that are said once, before the answers seem to be lost. */
export const joinsAlone = 2
/** A question that a living catcher does not answer for this many time-outs is given up. */
export const questionTimeouts = 12
/**
 * One that gets further with the pages before the question, or with entries, is waited for as long
 * as it does, for this many time-outs at most: a slow store may take one for each block, and a full
 * receive buffer has some 20. The next one fills meanwhile.
 */
export const furtherTimeouts = 144
/**
 * A catcher that has read for this many time-outs whether it holds a file already answers that it
 * does not: half of the above.
 */
export const recognitionTimeouts = 6
/**
 * What a catcher's owner has done around a session may take this many time-outs: half of what a
 * question waits, since the commit of the tree is in the same answer. [F-12]
 */
export const hookTimeouts = 6
/**
 * How long the rounds of a span, while later pages stream, wait for an answer; the last rounds wait
 * for it longer.
 */
export const spanPatienceMillis = 300
/**
 * Rounds of one span, or of a whole file at its end, before it is given up for the catchers that
 * still miss something.
 */
export const rounds = 400
/**
 * Of the ackers so many are those that missed most lately; the others are the first that joined.
 */
export const worstAckers = 8
/** Whether an acker holds the group up is judged over this stretch of time. */
export const heldUpMillis = 1000
/** An acker holds the group up when the others waited for it for this share of the stretch. */
export const heldUpShare = 2 / 3
/**
 * The acker is excluded from the window for so long, doubled each time up to `maxExclusionMillis`.
 * After that it stays excluded while half of the ackers take `exclusionTimes` as much.
 */
export const exclusionMillis = 2000
/** An acker is excluded for no longer at a time. */
export const maxExclusionMillis = 64_000
/**
 * So many times as much is taken by half of the ackers, or arrives there: then an acker is
 * excluded.
 */
export const exclusionTimes = 4
/**
 * A catcher that has not said for this long what it holds is asked, so many four times a
 * second: of 4096 each twice a minute, and their answers are a small part of what a master may
 * receive.
 */
export const heldAfterMillis = 2000
/** Catchers asked for what they hold in one of the four polls of a second. */
export const heldAsked = 32
/** An acker silent for this long, while another answers, stops bounding the window. */
export const ackerPatienceMillis = 250
/** No window is larger, whatever a catcher says of its buffer. */
export const maxWindowBytes = 64 * 1024 * 1024
/**
 * Queueing that the window may cause on the path, and what it is brought down to where a queue is
 * shorter.
 */
export const queueingMillis = 10
/** Queueing that the window causes at least, however short the queue is. */
export const minQueueingMillis = 0.25
/** Loss that is repaired and not looked into. */
export const toleratedLoss = 0.04
/** Page datagrams from which it is judged what less queueing, or more, brings. */
export const trialPages = 512
/** Such stretches between two trials, at least and after trials that brought nothing. */
export const minTrialRest = 4
/** Stretches between two trials at most. */
export const maxTrialRest = 64
/**
 * How much later than the fastest acker the slowest may take what was sent: what a busy machine
 * needs to get round to it.
 */
export const lagMillis = 20
/**
 * Trains of probes until a catcher is taken to be reached: by answers that show nothing, and
 * without any.
 */
export const probeTrains = 24
/** Trains of probes without any answer until a catcher is taken to be reached. */
export const unansweredTrains = 6
/** The first pause between two trains, and the longest. */
export const probeMillis = 20
/** The longest pause between two trains of probes. */
export const maxProbeMillis = 160
/** A message with its tag: below the smallest MTU that IPv6 allows, so that tunnels carry it. */
export const longestMessageBytes = 1200
/** The page whose datagram is as long as the longest answer. */
export const longestAnswerPage = longestMessageBytes - headerBytes
/**
 * Probes that are glued together: enough to be seen as more than one, and few enough for a small
 * receive buffer.
 */
export const gluedProbes = 16
/** A catcher that gained nothing is sent so many pages a round, until one arrives. */
export const vainRoundPages = 8
/**
 * A catcher that has less than this share of the pages as they streamed has gained nothing of them;
 * few may all be lost.
 */
export const gainedShare = 1 / 8
/**
 * Rounds on trial follow each other after this long times their number, and this long at most: in
 * all 3 s.
 */
export const trialMillis = 10
/** The longest pause between two rounds on trial. */
export const maxTrialMillis = 200
/**
 * Rounds in a row that brought a catcher nothing: after so many its path is probed again, and again
 * after so many more; and after so many it is sent nothing more. At 8 pages of 1432 bytes that is
 * 275 KB.
 */
export const suspectRounds = 2
/** So many rounds in vain after that the path is probed once more, and so on. */
export const reprobeRounds = 8
/** Rounds in vain after which a catcher is sent nothing more. */
export const vainRounds = 24
/**
 * A catcher that has committed the tree waits this long for the master's bye, to answer repeated
 * questions.
 */
export const lingerMillis = 2000
/**
 * A session of this age may be older than what a switch without a querier remembers of the group.
 */
export const membershipMillis = 60_000
/**
 * Lost answers: from so many polls and probes on it is judged whether most answers are lost.
 * So many may be on their way, and an answer that has not come for so long does not come.
 */
export const tellingQuestions = 8
/** Answers that may be on their way, and do not count as lost yet. */
export const pendingAnswers = 64
/** An answer that has not come for so long is lost. */
export const lostAnswerMillis = 1000
/**
 * How often in a row a question is repeated at once to catchers whose answers are lost; then at
 * growing distances.
 */
export const hastyRepeats = 64
/** Masters that a catcher tells of that took it in nowhere. */
export const heardMasters = 16
/**
 * How often the last words of a session are said: a bye until all have answered, an abort always so
 * often, because nobody answers it.
 */
export const lastWords = 4
/** Pause between two of the last words. */
export const lastWordsMillis = 5

// ---- seals ----

/** A master that has not answered a hail is hailed again after this. */
export const hailMillis = 100
/**
 * An answer to a hail is awaited for this long: as long as the way there and back may take with
 * long queues on it. An answer that was held back proves no later life than that.
 */
export const hailAnswerMillis = 2000
/**
 * A master that calls, and has not answered a hail for this long, is told of: no living one that
 * hears us is so late, and a person wants to know within two seconds.
 */
export const calledInVainMillis = 1500
/** So many hails in vain, and it is a recording that calls, or nearly nothing comes through. */
export const hailsInVain = 100
/** After that it is hailed so seldom. */
export const hailPauseMillis = 3200
/** Masters that one end hails at one time: recorded announcements may name many that are gone. */
export const hailedMasters = 256
/**
 * Announcements of masters that have not proved lately that they live, which an end looks at, at
 * once: each costs a signature and a hail, and a stranger may have recorded more sessions than the
 * above.
 */
export const unproven = 500
/** So many more in a second: a quarter of a core's time. */
export const unprovenPerSecond = 2500
/** Hails that a master remembers, so that a recorded one costs it no signature. */
export const answeredHails = 4096
/**
 * Handshakes that a master goes into at once: each costs it about 0.2 ms, and a catcher that is
 * turned away comes again with the next announcement.
 */
export const handshakes = 4096
/** So many more in a second. */
export const handshakesPerSecond = 512
/**
 * Wrong signatures that an end looks at, at once: each costs it about 0.1 ms, and a hostile catcher
 * has the tags that go with them.
 */
export const wrongSignatures = 500
/** So many more in a second: a quarter of a core's time. */
export const wrongSignaturesPerSecond = 2500
/** Handshakes that a master remembers: twice as many as there are slots. */
export const pairs = 8192
/** A pipe that has no writer may get one within this time, and is no key file after it. */
export const keyWriterMillis = 2000
/** A writer of a key may ask a person first, as a store of passwords does. */
export const keyWrittenMillis = 60_000
/** Pause between two looks into a pipe that is to bring a key. */
export const keyPollMillis = 50
/** Senders of which is told that they cannot join, or be joined. */
export const strangers = 64
/** Datagrams of its own that a seal has waiting to be sent. */
export const sealsWaiting = 1024
/** Polls that a catcher remembers, and how far their numbers may be from the last signed one. */
export const pollsRemembered = 1024
/** Sessions that a catcher has keys of at one time. */
export const sealedSessions = 16

// ---- extended attributes ----

/** Longest name of an attribute: Linux has no longer one. */
export const attributeNameBytes = 255
/**
 * Names and values of one entry's attributes. Linux has values up to 64 KiB, and nearly all of its
 * file systems hold less than that for all attributes of a file.
 */
export const attributeBytes = 1024 * 1024
/** The same of all different sets of one tree: a quarter of a manifest. */
export const allAttributeBytes = 256 * 1024 * 1024

// ---- filter rules ----

/** Longest rule: a pattern may be as long as a path. */
export const filterRuleBytes = pathBytes + 32
/** Rules in one list; each path is matched against all of them. */
export const filterRules = 16_384
/** Largest file of rules, and the most that a list of rules takes when it travels. */
export const filterFileBytes = 1024 * 1024
/** Files of rules that name each other, one in the other. rsync allows as many. */
export const filterDepth = 32
/** Largest list of --files-from: millions of names. */
export const namesFileBytes = 256 * 1024 * 1024

/** Ports of groups that `push` draws: few, so that one rule of a firewall lets them pass. */
export const drawnPorts = { first: 8889, last: 8952 } as const
