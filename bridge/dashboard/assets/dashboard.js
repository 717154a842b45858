// What the browser does by itself: the address, times in its own zone, and the end of the log.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  bridge: {
    // A page that is reloaded or sent to somebody shows the same jobs.
    keep_address: function (query) {
      const wanted = window.location.pathname + (query || "");
      if (wanted !== window.location.pathname + window.location.search) {
        window.history.replaceState(window.history.state, "", wanted);
      }
      return window.dash_clientside.no_update;
    },
    // Whoever sent the form wrongly is taken to what is wrong with it.
    show_problems: function (problems) {
      if (problems) {
        window.requestAnimationFrame(function () {
          const summary = document.getElementById("submit-problems");
          if (summary) { summary.focus(); summary.scrollIntoView({ block: "start" }); }
        });
      }
      return window.dash_clientside.no_update;
    },
    // Whoever has scrolled up to read is left there; all others see what comes.
    keep_end: function () {
      const log = document.getElementById("job-log");
      if (log && log.dataset.atEnd !== "no") {
        window.requestAnimationFrame(function () { log.scrollTop = log.scrollHeight; });
      }
      return window.dash_clientside.no_update;
    }
  }
});

// Dash has callbacks for what is sent: the browser itself must not leave the page.
document.addEventListener("submit", function (event) { event.preventDefault(); });

document.addEventListener("scroll", function (event) {
  const log = event.target;
  if (log instanceof HTMLElement && log.id === "job-log") {
    const left = log.scrollHeight - log.scrollTop - log.clientHeight;
    log.dataset.atEnd = left < 24 ? "yes" : "no";
  }
}, true);

(function () {
  const local = new Intl.DateTimeFormat(undefined, {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit"
  });

  function showTimes() {
    document.querySelectorAll("time.local").forEach(function (time) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) { return; }
      const text = local.format(at);
      if (time.textContent !== text) { time.textContent = text; }
    });
  }

  function markPage() {
    const here = window.location.pathname;
    document.querySelectorAll("a.nav").forEach(function (link) {
      const path = new URL(link.href).pathname;
      const isHere = path === here || (path === "/" && here.startsWith("/jobs"));
      if (isHere) { link.setAttribute("aria-current", "page"); }
      else { link.removeAttribute("aria-current"); }
    });
  }

  new MutationObserver(function () { showTimes(); markPage(); })
    .observe(document.documentElement, { childList: true, subtree: true, characterData: true });

  const ask = window.fetch;
  window.fetch = function () {
    return ask.apply(this, arguments).then(
      function (answer) {
        document.body.classList.toggle("is-away", answer.status >= 502);
        return answer;
      },
      function (error) {
        if (error.name !== "AbortError") { document.body.classList.add("is-away"); }
        throw error;
      }
    );
  };
})();
