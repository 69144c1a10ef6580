// Turns the one-time code of a link into a session, and shows how the node is. Whatever the node
// says is put in as text, never as markup.
'use strict';

const api = '/api/v1';
const part = (id) => document.getElementById(id);

async function send(method, path, body) {
  const request = { method, headers: { Accept: 'application/json' }, cache: 'no-store', credentials: 'same-origin', redirect: 'error' };
  const who = recall();
  if (who) request.headers['Tocsin-Session'] = who.proof;
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(api + path, request);
  if (!answer.ok) throw await answer.json();
  return answer;
}

async function ask(method, path, body) {
  const answer = await send(method, path, body);
  return answer.json();
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
  if (problem && problem.code) return [problem.title, problem.detail && `(${problem.detail})`, problem.fix].filter(Boolean).join(' ');
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

// What the login answered is kept for this tab and this port only. Browsers send the cookie to every port of the machine, so the
// node takes it only with the proof that is in here.
const kept = 'tocsin_login';
let login = null; // where a browser keeps nothing

function keep(who) {
  login = who;
  try {
    if (who) sessionStorage.setItem(kept, JSON.stringify(who));
    else sessionStorage.removeItem(kept);
  } catch { /* it works until the page is left */ }
}

function recall() {
  if (login) return login;
  try {
    return JSON.parse(sessionStorage.getItem(kept));
  } catch {
    return null;
  }
}

// What a role may do here, as docs/access.md says it. A browser's is never the owner's.
const may = {
  viewer: 'read what the node has and knows',
  analyst: 'read, publish, and decide what waits in review and quarantine',
  operator: 'do all but what only the owner does, at the socket: keys, erasure, profiles',
};

function showWho() {
  const who = recall();
  part('who').hidden = !who;
  if (!who) return;
  part('name').textContent = who.name || 'an account without a name';
  part('role').textContent = who.role;
  part('may').textContent = may[who.role] ? `The role may ${may[who.role]}.` : '';
  part('until').textContent = local(who.expires);
  part('until').dateTime = who.expires;
}

function local(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

function show(s) {
  showWho();
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
    ...line('Running since', local(s.started)),
  );
}

function inside(yes) {
  part('in').hidden = !yes;
  part('out').hidden = yes;
}

// refresh shows the node, with a note on what failed before.
async function refresh(note) {
  try {
    const status = await ask('GET', '/status');
    show(status);
    const state = `${status.name}: ${status.state}`;
    say(note ? `${note} You are logged in all the same. ${state}` : state, Boolean(note) || status.state !== 'running');
    inside(true);
  } catch (problem) {
    const known = Boolean(problem && problem.code);
    const nobody = known && problem.code === 'login.required';
    if (nobody) keep(null);
    if (note) {
      say(note, true);
    } else if (nobody) {
      say('This tab is not logged in.');
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
      keep(await ask('POST', '/login', { code }));
    } catch (problem) {
      await refresh(explain(problem)); // an older session may be there
      return;
    }
  }
  await refresh();
}

part('leave').addEventListener('click', async () => {
  try {
    await ask('POST', '/logout');
    keep(null);
  } catch (problem) {
    say(explain(problem), true);
    return;
  }
  await refresh();
});
// A plain link could not carry the proof.
part('description').addEventListener('click', async (event) => {
  event.preventDefault();
  try {
    const answer = await send('GET', '/openapi.yaml');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = 'tocsin-openapi.yaml';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (problem) {
    say(explain(problem), true);
  }
});
window.addEventListener('hashchange', () => { if (location.hash) start(); });
setInterval(() => { if (!document.hidden && !part('in').hidden) refresh(); }, 10000);
start();
