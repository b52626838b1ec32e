/* intake.pml: a pool takes in a file that was dropped, or put back by hand.
 *
 *   src/queue/admit.c   prepare(), own(), commit(), put_back_if_dead()
 *   src/queue/ids.c     ids_reserve()
 *
 * The id is locked and the copy written first; the file is owned (renamed to a dot
 * name of ours), the copy exchanged in, and one rename makes it a job.
 */

byte owner; /* the life of the pool whose dot name it has */
bool refused; /* it lies in quarantine/ */

/* ids_has_job(): the folders one after another, those that end a job twice. */
inline look_for_job(found)
{
    found = (done != NOTHING || dead != NOTHING);
    if
    :: !found -> found = (pending != NOTHING)
    :: else
    fi;
    if
    :: !found -> found = (failed != NOTHING)
    :: else
    fi;
    if
    :: !found -> found = any_run(in_processing)
    :: else
    fi;
    if
    :: !found -> found = (done != NOTHING || dead != NOTHING)
    :: else
    fi
}

proctype intake(byte me)
{
    byte life, fd, doc;
    bool got, fresh, found;
born_again:
    be_born(me, life);
    {
end_idle:
        do
        :: atomic { foreign != NOTHING && !id_is_held -> doc = foreign } /* file_inspect */
            take_new_lock(me, fd, got, fresh);
            if
            :: got && fresh -> found = any_run(in_processing);
                if
                :: !found -> found = (done != NOTHING || dead != NOTHING)
                :: else
                fi
            :: got && !fresh -> look_for_job(found)
            :: else
            fi;
#ifndef B_FRESH_IS_FREE
            if
            :: got && !found && says[fd] == NOBODY -> says[fd] = UNSURE /* idlock_doubt */
            :: got && found && fresh -> ids = 0                         /* idlock_forget */
            :: else
            fi;
#endif
            if
            :: got && !found ->
                d_step { /* rename: owned */
                    if
                    :: foreign != NOTHING -> owned = foreign; foreign = NOTHING; owner = life
                    :: else -> doc = NOTHING /* ENOENT: gone */
                    fi
                }
                if
                :: doc != NOTHING ->
                    owned = PLAIN; /* EXCHANGE: recorded members are overwritten */
                    atomic {       /* rename to the canonical name */
                        pending = owned; owned = NOTHING; owner = 0;
                        pending_attempts = 0
                    }
                :: else
                fi
            :: got && found ->
                atomic { /* quarantine_put */
                    if
                    :: foreign != NOTHING -> foreign = NOTHING; refused = true
                    :: else
                    fi
                }
            :: else
            fi;
            atomic {
                if
                :: fd != 0 -> close_id(me, fd)
                :: else
                fi;
                doc = 0; got = false; fresh = false; found = false
            }
        :: atomic { /* admit_put_back(): of a dead taker */
                owned != NOTHING && lock_of[owner] == 0 ->
                foreign = owned; owned = NOTHING; owner = 0
            }
        od
    } unless_killed(me);
    atomic {
        killed[me] = false;
        fd = 0; doc = 0; got = false; fresh = false; found = false
    };
    goto born_again
}
