package rows

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Limits of a post. The sites allow a title of 150 letters and 5 tags of 35; these leave room, and keep any 128 posts
// within one request.
const (
	maxTitle = 2048
	maxTags  = 16
	maxTag   = 64
)

// voteKinds names the kinds of votes by VoteTypeId. The first three are signals, the others are left out under their
// name.
var voteKinds = [...]string{
	1: "accept", 2: "upvote", 3: "downvote",
	4: "offensive", 5: "bookmark", 6: "close", 7: "reopen", 8: "bounty_start", 9: "bounty_close", 10: "deletion",
	11: "undeletion", 12: "spam", 13: "inform_moderator", 15: "moderator_review", 16: "approve_edit_suggestion",
}

// postKinds names the kinds of posts by PostTypeId. The first two are items, the others are left out.
var postKinds = [...]string{
	1: "question", 2: "answer",
	3: "wiki", 4: "tag_wiki_excerpt", 5: "tag_wiki", 6: "moderator_nomination", 7: "wiki_placeholder",
	8: "privilege_wiki",
}

const (
	signalVotes = 3 // kinds of votes up to this one are signals
	itemPosts   = 2 // kinds of posts up to this one are items
)

// voteRow makes a signal of a vote. Votes have no weight and no voter, and their times are dates.
func voteRow(at Place, a attributes) (Row, error) {
	kind, n, err := kindOf(a, "VoteTypeId", voteKinds[:])
	if err != nil {
		return Row{}, at.badField(err)
	}
	s := tidal.Signal{Type: kind, Weight: 1}
	if s.Item, err = postID(a, "PostId"); err != nil {
		return Row{}, at.badField(err)
	}
	if s.Time, err = dumpTime(a); err != nil {
		return Row{}, at.badField(err)
	}
	if n > signalVotes {
		return Row{}, leftOut(at, kind, "votes")
	}
	return Row{at, []tidal.Record{s}}, nil
}

// postRow makes an item of a post. Its score isn't taken, since the votes make it. Nor is its owner as the creator:
// requests are under way side by side, so whether a vote found the creator of its post would be a matter of luck.
func postRow(at Place, a attributes) (Row, error) {
	kind, n, err := kindOf(a, "PostTypeId", postKinds[:])
	if err != nil {
		return Row{}, at.badField(err)
	}
	id, err := postID(a, "Id")
	if err != nil {
		return Row{}, at.badField(err)
	}
	created, err := dumpTime(a)
	if err != nil {
		return Row{}, at.badField(err)
	}
	fields := tidal.Fields{"created": schema.Time(created.UnixMilli()), "post_type": schema.String(kind)}
	if err := titleAndTags(fields, a); err != nil {
		return Row{}, at.badField(err)
	}
	if n > itemPosts {
		return Row{}, leftOut(at, kind, "posts")
	}
	return Row{at, []tidal.Record{tidal.Put{Kind: tidal.Item, ID: id, Fields: fields}}}, nil
}

// titleAndTags adds what questions have and answers don't.
func titleAndTags(fields tidal.Fields, a attributes) error {
	title, err := a.get("Title")
	if err != nil {
		return err
	}
	if len(title) > maxTitle {
		return badField(causeLong, "the title has %d bytes; at most %d are taken", len(title), maxTitle)
	}
	if title != "" {
		fields["title"] = schema.String(title)
	}
	text, err := a.get("Tags")
	if err != nil {
		return err
	}
	// <a><b> in dumps up to 2023, |a|b| since.
	tags := strings.FieldsFunc(text, func(r rune) bool { return r == '<' || r == '>' || r == '|' })
	if len(tags) > maxTags {
		return badField(causeLong, "%d tags; at most %d are taken", len(tags), maxTags)
	}
	for _, t := range tags {
		if len(t) > maxTag {
			return badField(causeLong, "a tag has %d bytes; at most %d are taken", len(t), maxTag)
		}
	}
	if len(tags) > 0 {
		fields["tags"] = schema.Tags(tags)
	}
	return nil
}

// kindOf returns the kind of a row and its number.
func kindOf(a attributes, attribute string, kinds []string) (name string, n int, err error) {
	text, err := a.need(attribute)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, badField(causeXML, "%s %q is no number of a kind", attribute, text)
	}
	if int(number) < len(kinds) && kinds[number] != "" {
		return kinds[number], int(number), nil
	}
	return "unknown_kind", int(number), nil
}

// leftOut is a row of a kind that isn't brought in; its cause is the kind's name.
func leftOut(at Place, kind, what string) error {
	return &Error{Place: at, Cause: kind, Reason: what + " of the kind " + kind + " aren't brought in", LeftOut: true}
}

// postID returns the id of a post, which is a positive number in its shortest form.
func postID(a attributes, attribute string) (string, error) {
	text, err := a.need(attribute)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return "", badField(causeID, "%s %.40q is no positive whole number", attribute, text)
	}
	return text, nil
}

// dumpTime returns the CreationDate, which is in UTC and doesn't say so.
func dumpTime(a attributes) (time.Time, error) {
	text, err := a.need("CreationDate")
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse("2006-01-02T15:04:05", text) // takes a fraction, too
	if err != nil || t.Year() < 1 || t.IsZero() {
		return time.Time{}, badField(causeTime, "CreationDate %.40q isn't a time such as 2010-08-25T00:00:00.000", text)
	}
	return t, nil
}

// stackExchangeSchema declares votes, which are sparse and keep their meaning for years, and posts.
func stackExchangeSchema() *schema.Schema {
	const day = 24 * time.Hour
	vote := func(name string, meaning schema.Meaning) schema.SignalType {
		return schema.SignalType{
			Name: name, HalfLives: []time.Duration{30 * day, 365 * day}, Permanent: true, Meaning: meaning,
			Windows: []schema.Window{schema.Window24h, schema.Window7d, schema.Window30d, schema.WindowAll},
		}
	}
	return valid(&schema.Schema{
		Name: "stackexchange",
		Signals: []schema.SignalType{
			vote("upvote", schema.Positive), vote("downvote", schema.Negative), vote("accept", schema.Positive),
		},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText},
			{Name: "tags", Type: schema.TypeTags},
			{Name: "created", Type: schema.TypeTime},
			{Name: "post_type", Type: schema.TypeKeyword},
		}},
	})
}
