package storage

import (
	"container/list"
	"sync"
)

// cache keeps the values that were used last, up to a sum of costs.
type cache[K comparable, V any] struct {
	limit int

	mu    sync.Mutex // guards all below
	cost  int
	order *list.List // of *cached, last used in front
	items map[K]*list.Element
}

type cached[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached[K, V]).value, true
}

// put keeps a value unless it is larger than a quarter of the cache.
func (c *cache[K, V]) put(key K, value V, cost int) {
	if cost > c.limit/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.evict(e)
	}
	c.items[key] = c.order.PushFront(&cached[K, V]{key, value, cost})
	for c.cost += cost; c.cost > c.limit; {
		c.evict(c.order.Back())
	}
}

// drop forgets what is under a key.
func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.evict(e)
	}
}

// evict is called with mu held.
func (c *cache[K, V]) evict(e *list.Element) {
	old := c.order.Remove(e).(*cached[K, V])
	delete(c.items, old.key)
	c.cost -= old.cost
}
