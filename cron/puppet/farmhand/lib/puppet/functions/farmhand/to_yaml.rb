# Writes data as YAML, without the mark of a document's beginning.
Puppet::Functions.create_function(:'farmhand::to_yaml') do
  dispatch :to_yaml do
    param 'Data', :data
    return_type 'String'
  end

  def to_yaml(data)
    require 'yaml'
    data.to_yaml.sub(/\A---\n?/, '')
  end
end
