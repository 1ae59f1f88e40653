// Package queue runs jobs one after another and keeps what failed.
package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("queue: closed")

// Job is one thing to do.
type Job struct {
	Name    string
	Retries int
	Run     func(ctx context.Context) error
}

// Queue holds jobs in the order in which they came.
type Queue struct {
	mu      sync.Mutex
	waiting []Job
	failed  map[string]error
	closed  bool
	wake    chan struct{}
}

// New makes an empty queue.
func New(size int) *Queue {
	return &Queue{
		waiting: make([]Job, 0, size),
		failed:  make(map[string]error),
		wake:    make(chan struct{}, 1),
	}
}

// Add puts a job at the end.
func (q *Queue) Add(job Job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.waiting = append(q.waiting, job)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func (q *Queue) next() (Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return Job{}, false
	}
	job := q.waiting[0]
	q.waiting = q.waiting[1:]
	return job, true
}

// Work runs jobs until the context ends.
func (q *Queue) Work(ctx context.Context) error {
	for {
		job, ok := q.next()
		if !ok {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-q.wake:
				continue
			}
		}
		err := q.try(ctx, job)
		if err != nil {
			q.mu.Lock()
			q.failed[job.Name] = fmt.Errorf("job %q: %w", job.Name, err)
			q.mu.Unlock()
		}
	}
}

func (q *Queue) try(ctx context.Context, job Job) error {
	var err error
	for attempt := 0; attempt <= job.Retries; attempt++ {
		if err = job.Run(ctx); err == nil {
			return nil
		}
		wait := time.Duration(attempt+1) * 50 * time.Millisecond
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Failed returns what went wrong, by name.
func (q *Queue) Failed() map[string]error {
	q.mu.Lock()
	defer q.mu.Unlock()
	copied := make(map[string]error, len(q.failed))
	for name, err := range q.failed {
		copied[name] = err
	}
	return copied
}
