package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/settings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

type topicResource struct {
	mesh     Mesh
	settings *settings.Book
	audit    *audit.Log
}

type topicIn struct {
	Name string `path:"name" doc:"The topic's name"`
}

func (t *topicResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "topics-list", Method: http.MethodGet, Path: "/topics", Summary: "Joined topics and the well-known others",
		Description: "In the order of the names. Those that are not joined have no figures.",
	}, t.list)
	handle(a, huma.Operation{
		OperationID: "topics-join", Method: http.MethodPut, Path: "/topics/{name}", Summary: "Join a topic",
		Description: "From now on the node takes part in the topic, now and after a restart, and fetches what it missed. " +
			"One that is joined already is no error. The audit log has topics.join.",
	}, t.join)
	handle(a, huma.Operation{
		OperationID: "topics-leave", Method: http.MethodDelete, Path: "/topics/{name}", Summary: "Leave a topic",
		Description: "What is held of it stays until it expires. not.found says that it is not joined. The audit log has topics.leave.",
	}, t.leave)
}

func (t *topicResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Topic]], error) {
	list := api.List[api.Topic]{Items: []api.Topic{}}
	joined := map[protocol.Topic]bool{}
	for _, info := range t.mesh.Topics() {
		joined[info.Topic] = true
		list.Items = append(list.Items, showTopic(info))
	}
	for _, topic := range protocol.DefaultTopics() {
		if !joined[topic] {
			list.Items = append(list.Items, api.Topic{Name: topic.String()})
		}
	}
	return paged("topics", list, *in, func(t api.Topic) string { return t.Name })
}

func (t *topicResource) join(ctx context.Context, in *topicIn) (*body[api.Topic], error) {
	topic, err := parseTopic(in.Name)
	if err != nil {
		return nil, err
	}
	err = recorded(ctx, t.audit, audit.Event{Action: "topics.join", Target: topic.String()}, func() error {
		if err := t.mesh.Join(topic); err != nil {
			return err
		}
		return t.settings.JoinTopic(topic)
	})
	if err != nil {
		return nil, err
	}
	for _, info := range t.mesh.Topics() {
		if info.Topic == topic {
			return answer(showTopic(info))
		}
	}
	return answer(api.Topic{Name: topic.String(), Joined: true})
}

func (t *topicResource) leave(ctx context.Context, in *topicIn) (*body[api.Topic], error) {
	topic, err := parseTopic(in.Name)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(t.mesh.Topics(), func(i TopicInfo) bool { return i.Topic == topic }) {
		return nil, api.NewProblem(reason.NotFound, fmt.Sprintf("leave topic %s: it is not joined", topic)).
			WithFix("See which are with 'tocsin topics list'.")
	}
	err = recorded(ctx, t.audit, audit.Event{Action: "topics.leave", Target: topic.String()}, func() error {
		if err := t.mesh.Leave(topic); err != nil {
			return err
		}
		return t.settings.LeaveTopic(topic)
	})
	if err != nil {
		return nil, err
	}
	return answer(api.Topic{Name: topic.String()})
}

// parseTopic reads a name that a person typed: a wrong one is wrong usage here.
func parseTopic(name string) (protocol.Topic, error) {
	t, err := protocol.ParseTopic(name)
	if err != nil {
		return t, reason.Wrap(reason.UsageInvalid, "read a topic's name", err)
	}
	return t, nil
}

func showTopic(i TopicInfo) api.Topic {
	return api.Topic{
		Name: i.Topic.String(), Joined: true, Peers: i.Peers, Mesh: i.Mesh,
		Received: i.Received, Rejected: i.Rejected, Ignored: i.Ignored,
	}
}
