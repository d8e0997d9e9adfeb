# An absolute path, without a / at its end.
type Farmhand::Path = Pattern[/\A(\/[\w.+@-]+)+\z/]
