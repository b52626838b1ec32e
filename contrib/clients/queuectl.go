// queuectl.go: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
//
// Needs Go 1.18, a Unix and the spool, not the program queuectl:
//  1. check the id; done/ID.json or dead/ID.json is there: in use
//  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
//  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
//  4. fsync pending/: now the job is acknowledged
//  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
//
// In a package of yours change the package's name and take main away:
//
//	ticket, err := Enqueue(spool, "report-42", map[string]any{"command": "make report"})
//	state, document, err := ticket.Wait(ctx) // "done" or "dead"
//
// Errors: ErrUsage (id, members), ErrRefused, what ctx.Err() says, any of os.
// A ticket keeps the file open, for reading: so its inode number, which names the
// report, is not used again, and its link count tells when the queue has taken it in.
// Close it.  Members given as json.RawMessage keep their numbers as they are written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

var (
	ErrUsage   = errors.New("wrong words")
	ErrRefused = errors.New("refused")
	idGrammar  = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z`)
)

type Ticket struct {
	spool, id string
	file      *os.File
}

func (t *Ticket) Close() error { return t.file.Close() }

// publish does steps 2 and 3.  Without the file's removal from tmp/ the queue would
// refuse it, and Wait say so.
func (t *Ticket) publish(tmp string, document []byte) error {
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no spool at %s: %w", t.spool, fs.ErrNotExist)
	} else if err != nil {
		return err
	}
	defer os.Remove(tmp)
	err = out.Chmod(0o640) // whatever the umask: the worker may be of our group
	if err == nil {
		_, err = out.Write(document)
	}
	if err == nil {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		t.file, err = os.Open(tmp)
	}
	if err == nil {
		err = os.Link(tmp, filepath.Join(t.spool, "pending", t.id+".json"))
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: id %q is in use", ErrRefused, t.id)
	}
	return err
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func Enqueue[V any](spool, id string, members map[string]V) (*Ticket, error) {
	if !idGrammar.MatchString(id) {
		return nil, fmt.Errorf("%w: %q is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first", ErrUsage, id)
	}
	all := map[string]any{}
	for name, value := range members {
		all[name] = value
	}
	all["id"] = id
	document, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUsage, err)
	}
	for _, state := range []string{"done", "dead"} {
		if _, err := os.Lstat(filepath.Join(spool, state, id+".json")); err == nil {
			return nil, fmt.Errorf("%w: id %q is in use", ErrRefused, id)
		}
	}
	t := &Ticket{spool: spool, id: id}
	tmp := fmt.Sprintf("go-%d-%d", os.Getpid(), time.Now().UnixNano())
	err = t.publish(filepath.Join(spool, "tmp", tmp), document)
	if err == nil {
		err = syncDir(filepath.Join(spool, "pending"))
	}
	if err != nil {
		t.Close() // no harm where there is no file
		return nil, err
	}
	return t, nil
}

// look returns the state "" for a job that has not ended.
func (t *Ticket) look() (state string, document []byte, err error) {
	own, err := t.file.Stat()
	if err != nil {
		return "", nil, err
	}
	inode := own.Sys().(*syscall.Stat_t)
	report := fmt.Sprintf("rejected-%.80s-%x", t.id+".json", inode.Ino)
	for _, at := range [][2]string{{"dead", report}, {"done", t.id}, {"dead", t.id}} {
		found, err := os.Open(filepath.Join(t.spool, at[0], at[1]+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return "", nil, err
		}
		defer found.Close() // three at most
		if document, err = io.ReadAll(found); err != nil {
			return "", nil, err
		}
		if at[1] == report {
			var said struct {
				Reason string `json:"last_error"`
			}
			err = json.Unmarshal(document, &said)
			return "", nil, fmt.Errorf("%w: %s", ErrRefused, said.Reason)
		}
		// Not taken in yet: then what lies there is another's, or ours moved by hand.
		if info, err := found.Stat(); err == nil && (inode.Nlink == 0 || os.SameFile(own, info)) {
			return at[0], document, nil
		}
	}
	return "", nil, nil
}

// Wait polls: the standard library has no watch that builds everywhere.
func (t *Ticket) Wait(ctx context.Context) (state string, document []byte, err error) {
	start := time.Now()
	for nap := 10 * time.Millisecond; ; nap *= 2 {
		if nap > 250*time.Millisecond {
			nap = 250 * time.Millisecond
		}
		if state, document, err = t.look(); state != "" || err != nil {
			return state, document, err
		}
		timer := time.NewTimer(nap)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", nil, t.late(ctx, start)
		}
	}
}

// late wraps ctx.Err(), with the seconds that Wait had.
func (t *Ticket) late(ctx context.Context, start time.Time) error {
	if deadline, ok := ctx.Deadline(); ok && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		seconds := deadline.Sub(start).Round(10 * time.Millisecond).Seconds()
		return fmt.Errorf("job %q has not ended after %v s: %w", t.id, seconds, ctx.Err())
	}
	return ctx.Err()
}

func run(words []string) (state string, err error) {
	var seconds uint64
	if len(words) == 4 {
		if seconds, err = strconv.ParseUint(words[3], 10, 30); err != nil {
			return "", fmt.Errorf("%w: %v", ErrUsage, err)
		}
	} else if len(words) != 3 {
		return "", fmt.Errorf("%w: usage: queuectl SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]", ErrUsage)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(words[2]), &members); err != nil || members == nil {
		return "", fmt.Errorf("%w: MEMBERS_JSON must be a JSON object", ErrUsage)
	}
	ticket, err := Enqueue(words[0], words[1], members)
	if err != nil {
		return "", err
	}
	defer ticket.Close()
	ctx := context.Background()
	if len(words) == 4 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
		ctx = limited
	}
	state, document, err := ticket.Wait(ctx)
	if err == nil {
		_, err = os.Stdout.Write(document)
	}
	return state, err
}

func main() {
	state, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "queuectl.go:", err)
	}
	switch {
	case errors.Is(err, ErrUsage):
		os.Exit(2)
	case errors.Is(err, ErrRefused):
		os.Exit(3)
	case errors.Is(err, context.DeadlineExceeded):
		os.Exit(124)
	case err != nil || state == "dead":
		os.Exit(1)
	}
}
