package main

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// A top is the model of the screen: what was seen, and what of it is shown.
type top struct {
	collect  func() page
	interval time.Duration
	memory   *memory
	page     page
	rows     []string // of the present tab, filtered

	tab           int
	cursor        int
	filter        string
	filtering     bool
	held, help    bool
	reverse       bool
	width, height int
	message       string
	failed        error // why the screen ends by itself
}

var tabs = []string{"trouble", "segments", "queues", "pools", "processes"}

func newTop(collect func() page, interval time.Duration) *top {
	return &top{collect: collect, interval: interval, memory: new(memory), tab: 1, width: 80, height: 24}
}

type (
	seen   page      // a look has ended
	due    time.Time // it is time for the next
	failed error     // a look has panicked
)

// look takes a look. A panic is told when the terminal is as before: bubbletea, which recovers
// from it, too, may end before it has written the stack of another goroutine.
func (m *top) look() (msg tea.Msg) {
	defer func() {
		if r := recover(); r != nil {
			msg = failed(fmt.Errorf("panic: %v\n\n%s", r, debug.Stack()))
		}
	}()
	return seen(m.collect())
}

// Init takes the first look.
func (m *top) Init() tea.Cmd { return m.look }

// Update follows a key, a look or a change of the window.
func (m *top) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case seen:
		m.page = page(msg)
		m.memory.remember(&m.page)
		cmd = tea.Tick(m.interval, func(t time.Time) tea.Msg { return due(t) })
	case failed:
		m.failed = msg
		return m, tea.Quit
	case due:
		cmd = m.look
		if m.held {
			cmd = tea.Tick(m.interval, func(t time.Time) tea.Msg { return due(t) })
		}
	case tea.KeyPressMsg:
		if cmd = m.key(msg); cmd != nil {
			return m, cmd
		}
	}
	m.arrange()
	return m, cmd
}

// key follows a key.
func (m *top) key(k tea.KeyPressMsg) tea.Cmd {
	m.message = ""
	if m.filtering {
		m.typeFilter(k)
		return nil
	}
	switch s := k.String(); s {
	case "q", "ctrl+c":
		return tea.Quit
	case "1", "2", "3", "4", "5":
		m.tab, m.cursor = int(s[0]-'1'), 0
	case "tab", "right":
		m.tab, m.cursor = (m.tab+1)%len(tabs), 0
	case "shift+tab", "left":
		m.tab, m.cursor = (m.tab+len(tabs)-1)%len(tabs), 0
	case "down", "j":
		m.cursor++
	case "up", "k":
		m.cursor--
	case "pgdown":
		m.cursor += m.room()
	case "pgup":
		m.cursor -= m.room()
	case "enter":
		m.drill()
	case "esc":
		m.filter, m.help, m.tab, m.cursor = "", false, 1, 0
	case "/":
		m.filtering, m.filter = true, ""
	case "s":
		m.reverse = !m.reverse
	case "space":
		m.held = !m.held
	case "+":
		m.interval = max(m.interval/2, 100*time.Millisecond)
	case "-":
		m.interval = min(m.interval*2, time.Minute)
	case "?":
		m.help = !m.help
	case "w":
		m.save()
	}
	return nil
}

func (m *top) typeFilter(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		m.filtering = false
	case "esc":
		m.filtering, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += k.Key().Text
	}
}

// drill shows the queues of the segment under the cursor.
func (m *top) drill() {
	if m.tab != 1 || m.cursor+1 >= len(m.rows) {
		return
	}
	if fields := strings.Fields(strings.TrimLeft(m.rows[m.cursor+1], "! ")); len(fields) > 0 {
		m.filter, m.tab, m.cursor = fields[0], 2, 0
	}
}

func (m *top) save() {
	path, err := m.page.write()
	if m.message = "written to " + path; err != nil {
		m.message = err.Error()
	}
}

// room is how many rows there is room for.
func (m *top) room() int { return max(m.height-4, 1) }

// arrange makes the rows of the present tab.
func (m *top) arrange() {
	plain := &tool{color: "never", now: func() time.Time { return m.page.Time }}
	text := ""
	switch m.tab {
	case 0:
		text = "  TROUBLE\n" + strings.Join(m.page.Trouble, "\n")
	case 1:
		text = plain.segmentTable(m.page.Segments)
	case 2:
		text = m.page.queueTable()
	case 3:
		text = "  POOL\n" + m.page.poolText()
	case 4:
		text = m.page.memberTable()
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	m.rows = []string{}
	for _, line := range lines[1:] {
		if strings.Contains(strings.ToLower(line), strings.ToLower(m.filter)) {
			m.rows = append(m.rows, line)
		}
	}
	if m.reverse {
		for i, j := 0, len(m.rows)-1; i < j; i, j = i+1, j-1 {
			m.rows[i], m.rows[j] = m.rows[j], m.rows[i]
		}
	}
	m.rows = append([]string{lines[0]}, m.rows...)
	m.cursor = max(min(m.cursor, len(m.rows)-2), 0)
}

const topHelp = `1-5, tab   trouble, segments, queues, pools, processes
up, down   move      enter  queues of the segment      esc  back
/          filter    s      reverse the order          space  hold
+ -        faster, slower   w  write what is seen as JSON
?          this help        q  quit`

// View is the screen.
func (m *top) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "shmkit top"
	return v
}

func (m *top) text() string {
	bold := lipgloss.NewStyle().Bold(true)
	lines := []string{m.page.headline(), m.tabLine(bold)}
	if m.help {
		lines = append(lines, strings.Split(topHelp, "\n")...)
	} else if len(m.rows) > 0 {
		lines = append(lines, m.rows[0])
		room, rows := m.room(), m.rows[1:]
		first := max(min(m.cursor-room/2, len(rows)-room), 0)
		for i := first; i < min(first+room, len(rows)); i++ {
			line := rows[i]
			if i == m.cursor {
				line = ">" + line[min(1, len(line)):]
			}
			lines = append(lines, line)
		}
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:min(len(lines), max(m.height-1, 1))], m.footer())
	for i := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(max(m.width, 1)).Render(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (m *top) tabLine(bold lipgloss.Style) string {
	parts := make([]string, len(tabs))
	for i, name := range tabs {
		parts[i] = fmt.Sprintf("%d %s", i+1, name)
		if i == m.tab {
			parts[i] = bold.Render("[" + parts[i] + "]")
		}
	}
	return strings.Join(parts, "  ")
}

func (m *top) footer() string {
	switch {
	case m.filtering:
		return "/" + m.filter
	case m.message != "":
		return m.message
	}
	text := "? help  q quit"
	if m.held {
		text = "held  " + text
	}
	if m.filter != "" {
		text = "filter " + m.filter + "  " + text
	}
	return text
}
