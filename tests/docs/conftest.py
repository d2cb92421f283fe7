"""How many snippets ran, said at the end."""

from documents import PAGES, snippets


def pytest_terminal_summary(terminalreporter):
    """The number of snippets that ran, and of those that the pages hold."""
    reports = [
        report for each in terminalreporter.stats.values() for report in each if hasattr(report, "user_properties")
    ]
    ran = {
        report.nodeid: dict(report.user_properties)["snippets"]
        for report in reports
        if "snippets" in dict(report.user_properties)
    }
    if ran:
        held = sum(len(snippets(page)) for page in PAGES)
        terminalreporter.write_line(f"Snippets: {sum(ran.values())} ran, of {held} in README and docs")
