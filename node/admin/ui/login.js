// Turns the one-time code of a link into a session, and shows how the node is. Whatever the node
// says is put in as text, never as markup.
'use strict';

const api = '/api/v1';
const part = (id) => document.getElementById(id);

async function ask(method, path, body) {
  const request = { method, headers: { Accept: 'application/json' }, cache: 'no-store', credentials: 'same-origin', redirect: 'error' };
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(api + path, request);
  const said = await answer.json();
  if (!answer.ok) throw said;
  return said;
}

// takeCode reads the code and takes it out of the address and the history at once.
function takeCode() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (location.hash) history.replaceState(null, '', location.pathname);
  return code;
}

function say(text, bad) {
  part('say').textContent = text;
  part('say').classList.toggle('bad', Boolean(bad));
}

function explain(problem) {
  if (problem && problem.code) return problem.title + ' ' + problem.fix;
  return 'The node does not answer. Is it running? This page asks again every ten seconds.';
}

function line(name, value) {
  const dt = document.createElement('dt');
  const dd = document.createElement('dd');
  const text = document.createElement('bdi');
  dt.textContent = name;
  text.textContent = value;
  dd.append(text);
  return [dt, dd];
}

function show(s) {
  part('status').replaceChildren(
    ...line('Node', `${s.name} (${s.country})`),
    ...line('State', s.state),
    ...line('Words', s.words.join(' ')),
    ...line('Organisation', s.org),
    ...line('Network', s.network),
    ...line('Peers', `${s.peers} connected, ${s.unreached} not reached`),
    ...line('Topics', s.topics.join(', ')),
    ...line('Objects', `${s.objects} accepted, ${s.held} held`),
    ...line('Version', s.version),
    ...line('Admin port', (s.admin || []).join(', ')),
    ...line('Running since', s.started),
  );
}

function inside(yes) {
  part('in').hidden = !yes;
  part('out').hidden = yes;
}

async function refresh() {
  try {
    const status = await ask('GET', '/status');
    show(status);
    say(`${status.name}: ${status.state}`, status.state !== 'running');
    inside(true);
  } catch (problem) {
    const known = Boolean(problem && problem.code);
    if (known && problem.code === 'login.required') {
      say('Nobody is logged in here.');
    } else {
      say(explain(problem), true);
    }
    if (known) inside(false);
  }
}

async function start() {
  const code = takeCode();
  if (code) {
    try {
      await ask('POST', '/login', { code });
    } catch (problem) {
      say(explain(problem), true);
      inside(false);
      return;
    }
  }
  await refresh();
}

part('leave').addEventListener('click', async () => {
  try {
    await ask('POST', '/logout');
  } catch (problem) {
    say(explain(problem), true);
    return;
  }
  await refresh();
});
window.addEventListener('hashchange', () => { if (location.hash) start(); });
setInterval(() => { if (!document.hidden && !part('in').hidden) refresh(); }, 10000);
start();
