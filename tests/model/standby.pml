/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standby table of include/uapi/linux/ballonet.h, for spin: a guest that
 * offers blocks, has them back, resets its device and starts anew; a device
 * that takes them, fails at it, and dies anywhere; its successor.
 *
 * Shown: the guest never touches a block while it is being discarded, and none
 * is ever lost. At the end the guest waits for all of its blocks, so one that
 * never comes is an end state that is not valid.
 *
 * The model runs one step at a time: it says nothing of what processors
 * reorder. The barriers of the header are there for that.
 *
 * With BROKEN_ something defined one rule is broken, and spin has to find out.
 */
#define BLOCKS	2
#define STEPS	4	/* of the guest, before it wants all back */
#define DEATHS	1
#define RESETS	1

#define EMPTY	0
#define OFFERED	1
#define TAKING	2
#define TAKEN	3

byte entry[BLOCKS];	/* the table */
bool uses[BLOCKS];	/* the guest may touch it any time */
bool discards[BLOCKS];	/* the host's kernel is at it */
bool told = true;	/* the device, or its successor, knows the table */
bool stop;		/* the guest resets, and waits for the device */
bool dies;

inline exchange(i, from, to, done)
{
	atomic {
		if
		:: entry[i] == from -> entry[i] = to; done = true
		:: else -> done = false
		fi
	}
}

/* The block is the guest's. */
inline begin_use(i)
{
	atomic {
		assert(!discards[i]);
		uses[i] = true
	}
}

inline begin_discard(i)
{
	atomic {
		assert(!uses[i]);
		discards[i] = true
	}
}

inline offer(i)
{
#ifdef BROKEN_OFFER_BEFORE_LAST_USE
	entry[i] = OFFERED;
	uses[i] = false
#else
	uses[i] = false;
	entry[i] = OFFERED
#endif
}

inline have_back(i, from)
{
#ifdef BROKEN_WITHDRAW_WITHOUT_EXCHANGE
	done = entry[i] == from;
	if
	:: done -> entry[i] = EMPTY
	:: else
	fi;
#else
	exchange(i, from, EMPTY, done);
#endif
	if
	:: done -> begin_use(i)
	:: else
	fi
}

active proctype guest()
{
	byte i, steps, resets;
	bool done;

	for (i : 0 .. BLOCKS - 1) {
		uses[i] = true
	}
	do
	:: steps < STEPS ->
		steps++;
		select(i : 0 .. BLOCKS - 1);
		if
		:: uses[i] -> offer(i)
		:: !uses[i] -> have_back(i, OFFERED)
		:: !uses[i] -> have_back(i, TAKEN)
#ifdef BROKEN_HAVE_BACK_TAKING
		:: !uses[i] -> have_back(i, TAKING)
#endif
		:: resets < RESETS ->
			resets++;
			stop = true;
#ifndef BROKEN_RESET_WITHOUT_DEVICE
			!told;
#endif
			for (i : 0 .. BLOCKS - 1) {
				entry[i] = EMPTY;
				if
				:: !uses[i] -> begin_use(i)
				:: else
				fi
			}
			atomic {
				stop = false;
				told = true
			}
		fi
	:: steps == STEPS -> break
	od;
	for (i : 0 .. BLOCKS - 1) {
		do
		:: uses[i] -> break
		:: !uses[i] && entry[i] == OFFERED -> have_back(i, OFFERED)
		:: !uses[i] && entry[i] == TAKEN -> have_back(i, TAKEN)
		od
	}
}

/* Returns with the entry TAKEN, or OFFERED after a failure. */
inline discard(i)
{
#ifdef BROKEN_TAKEN_BEFORE_DISCARDED
	exchange(i, TAKING, TAKEN, done);
#endif
	begin_discard(i);
	discards[i] = false;
	if
	:: true -> exchange(i, TAKING, TAKEN, done)
	:: true -> exchange(i, TAKING, OFFERED, done)
	fi
}

inline take(i)
{
#ifdef BROKEN_TAKE_WITHOUT_EXCHANGE
	entry[i] = TAKING;
	done = true;
#else
	exchange(i, OFFERED, TAKING, done);
#endif
	if
	:: done -> discard(i)
	:: else
	fi
}

inline look_through(i)
{
	for (i : 0 .. BLOCKS - 1) {
		if
		:: told && entry[i] == TAKING -> discard(i)
		:: else
		fi
	}
}

active proctype device()
{
	byte i;
	bool done;

life:
	{
#ifndef BROKEN_SUCCESSOR_DOES_NOT_LOOK
		look_through(i);
#endif
end_idle:
		do
		:: told && !stop && entry[0] == OFFERED -> i = 0; take(i)
		:: told && !stop && entry[1] == OFFERED -> i = 1; take(i)
		/* Between two takes only. */
		:: told && stop -> told = false
		od
	} unless {
		atomic {
			dies -> dies = false;
			/* The kernel ends what it was at first. */
			for (i : 0 .. BLOCKS - 1) {
				discards[i] = false
			}
		}
	}
	goto life
}

/* Whoever kills it does so any time, or never. */
active proctype killer()
{
	byte deaths;

end_idle:
	do
	:: deaths < DEATHS && !dies -> deaths++; dies = true
	:: deaths == DEATHS -> break
	od
}
