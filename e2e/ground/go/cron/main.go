// Command cron tells what robfig/cron makes of expressions. Each line of its input is a JSON object with an expression
// and an instant; each line of its output has the next times after it, or the error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

type question struct {
	Expression string `json:"expression"`
	// Milliseconds since 1970, as all times here.
	After int64 `json:"after"`
	Count int   `json:"count"`
}

type answer struct {
	Times []int64 `json:"times"`
	Error string  `json:"error,omitempty"`
}

// parse turns a panic, which a time zone without fields ends in, into an error.
func parse(expression string) (schedule cron.Schedule, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%v", fault)
		}
	}()
	return cron.ParseStandard(expression)
}

func ask(q question) answer {
	schedule, err := parse(q.Expression)
	if err != nil {
		return answer{Error: err.Error()}
	}
	times := []int64{}
	at := time.UnixMilli(q.After).UTC()
	for range q.Count {
		at = schedule.Next(at)
		if at.IsZero() {
			break
		}
		times = append(times, at.UnixMilli())
	}
	return answer{Times: times}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(ask(q)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	if err := output.Flush(); err != nil {
		log.Fatal(err)
	}
}
