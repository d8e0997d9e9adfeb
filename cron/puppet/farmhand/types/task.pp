# A file of the task directory: a number that says when it runs, and a name; or the halt task.
type Farmhand::Task = Pattern[/\A(\d+-)?[a-zA-Z]\w*(\.sh)?\z/]
