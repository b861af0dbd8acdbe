"""What several test files and the benchmarks share.

unets.py             scaled-down ldm UNets, and calls of them
reference.py         FreeU from its definition, in float64 with an FFT
other_tools.py       FreeU as other tools define it
strategies.py        hypothesis strategies made from the table of parameters
torch_versions.py    what differs between the versions of torch
waiting.py           waiting with a limit
memory.py            peak memory of a function
client.py            a client of a WebUI's API
jobs.py              jobs in the playground's host, without its API
page.py              the page in a browser
stand_in.py          a WebUI that draws nothing
faulty.py            the same, which fails on demand
postgres.py          a PostgreSQL server in a temporary folder
studies.py           studies of `python -m freeu tune`
simulated_person.py  a person with a taste
choice_search.py     a search by that person's choices
"""
