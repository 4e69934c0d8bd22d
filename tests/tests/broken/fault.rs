//! What can be wrong with a flow.

/// One promise that is broken, so that the greeting of a pair goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,

    // Reading.
    /// A read that was dropped takes a byte with it.
    DroppedRead,
    /// A read that was dropped takes the end of stream with it.
    DroppedEnd,
    /// Each read that waits costs a byte of what comes.
    WaitingRead,
    /// A reader who has to wait is told that the stream has ended.
    EarlyEnd,
    /// The stream ends after some 3000 bytes.
    Cut,
    /// The end is told before what came ahead of it.
    EndFirst,
    /// After the end, reads are errors.
    AfterEnd,
    /// An end before which nothing came is an error.
    EmptyEnd,
    /// When both directions have ended, reads are errors.
    Closed,
    /// The end is an error that no user expects.
    OddEnd,
    /// A few bytes that nobody sent come before the end.
    MadeUp,
    /// The end of one direction is that of the other.
    EndShuts,
    /// A read waits until its buffer is full.
    FillsBuffer,
    /// A read says that it read more than there was room for.
    LongRead,
    /// What does not fit into the buffer of a read is lost.
    Datagrams,
    /// The last byte of an answer comes again.
    Repeats,
    /// A read of nothing waits.
    EmptyRead,
    /// A read of nothing takes a byte.
    EmptyReadTakes,
    /// A read of nothing ends the stream.
    EmptyReadEnds,
    /// A read of nothing after the end is an error.
    EmptyReadAtEnd,
    /// It never comes back from a read.
    Spins,
    /// It panics when it is read.
    Panics,

    // Writing.
    /// A write that waits takes a byte.
    WaitingWrite,
    /// A write of nothing sends something.
    EmptyWrite,
    /// A write of nothing waits.
    EmptyWriteWaits,
    /// A write says that it took more than it was offered.
    LongWrite,
    /// A large write takes more than it says.
    ShortWrite,
    /// A write of a single byte sends it twice.
    Doubled,
    /// The first bytes of small writes change places.
    Swapped,
    /// It sends what is in the buffer when it comes to it, which its owner has cleared by then. (As
    /// if: safe code cannot.)
    StaleBuffer,
    /// Byte 60,000 is spoilt.
    OneByte,
    /// Byte 9,000,000 is spoilt.
    LateByte,
    /// It takes all that is offered, and sends what there is room for.
    Endless,
    /// What is held back is not sent by a flush. Small writes are held back.
    Flush,
    /// What is held back is not sent by a shutdown.
    ShutdownFlush,
    /// A flush of nothing is an error.
    EmptyFlush,
    /// A flush after the shutdown is an error.
    LateFlush,

    // Writing several slices.
    /// It says that it took half of what it took.
    ShortCount,
    /// It says that it took one byte more than it took.
    LongCount,
    /// It takes one slice, and says that it takes several.
    NotVectored,
    /// It writes the first slice, though that is empty.
    EmptySlices,
    /// The last slice is sent first.
    Reversed,
    /// More than 64 slices are an error.
    ManySlices,
    /// It waits if there are no slices.
    NoSlices,
    /// It waits if all slices are empty.
    AllEmpty,
    /// Slices are held back until the flush, and plain writes overtake them.
    Overtaken,

    // Ends.
    /// A write after the shutdown is taken.
    LateWrite,
    /// A write after the shutdown is an error, and is sent.
    LateSends,
    /// A second shutdown is an error.
    SecondShutdown,
    /// A shutdown ends both directions.
    BothShut,
    /// A shutdown does nothing.
    NoShutdown,
    /// A drop does nothing.
    Leak,
    /// A drop is an abort.
    DropAborts,
    /// A drop ends all connections of the fixture.
    Siblings,
    /// Writes to a peer that is gone are taken.
    DeafWriter,
    /// Writes to a peer that is gone fail once, and then are taken.
    FailsOnce,
    /// An abort does nothing.
    CleanAbort,
    /// What is written after an abort is taken, and lost.
    AbortLoses,
    /// A reset is read once, and then the end of stream.
    ResetOnce,

    // Wakers.
    /// The reader is not woken.
    ReaderWaker,
    /// The writer is not woken.
    WriterWaker,
    /// The first waker is woken, and no other, ever.
    FirstWaker,
    /// The first waker is woken until there is something.
    HeldWaker,
    /// A waker that was seen before does not take the place of another.
    SeenWaker,
    /// There is one waker for both directions.
    OneWaker,
    /// A task that waits for one direction is not remembered for the other.
    SameWaker,
    /// Who began to read is the only one who may.
    Owner,
    /// A flush that waits is not woken.
    FlushWaker,
    /// A shutdown that waits is not woken.
    ShutdownWaker,
    /// While it is full, it cannot be read.
    OneAtATime,

    // The rest.
    /// It works in the thread where it was made.
    ThreadBound,
    /// It works at the place where it was first polled.
    Rooted,
    /// It claims to know its addresses.
    Addresses,
    /// It knows its peer until it is shut down.
    Fickle,
    /// It knows its peer once.
    Forgetful,
    /// It panics when it is asked.
    Unasked,
    /// It is the layer below itself.
    Ouroboros,
    /// Its `Debug` shows what came.
    Tells,
    /// It does not open to the flow below.
    OpensNothing,
    /// The flow below is shut down when it is opened.
    OpensShut,
}
